"""Versions that are made outside a workspace: what a branch has, edited by files from anywhere.

Files are read and stored first, under no lock, then the branch moves by compare-and-swap. Where somebody else
moved it meanwhile, the edit is made again over what is there now: its chunks are stored already, so that costs
one more reading. From the second try on `write.lock` in the store is held, so that of many writers each has
its turn; one that comes fresh may overtake it once.

A version is derived from a version here and not from a directory, so nothing depends on HEAD, on tracked paths
or on a `mvc.toml` on disk: the settings are those that the new version has.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mvcd.errors import Conflict, Failure, StaleReuse
from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY, Trigger, Version
from mvcd.repo.change.commit import (
    CommitTarget,
    bases_of,
    committed,
    derived,
    first_line,
    same_content,
)
from mvcd.repo.change.edits import Content, Edits, directories_above
from mvcd.repo.contents.files import CachingFetch
from mvcd.repo.core.core import Core
from mvcd.repo.core.lock import WorkspaceLock
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.committed import CommitResult, Context
from mvcd.repo.records.names import new_name
from mvcd.repo.records.refs import EMPTY_ID, HEADS, target_of
from mvcd.repo.records.standing import Head
from mvcd.repo.trust.incoming import is_ancestor
from mvcd.repo.workspace import settings
from mvcd.repo.workspace.scan import Scan
from mvcd.repo.workspace.snapshot import Snapshot, Snapshotter
from mvcd.repo.workspace.workspace import Known
from mvcd.store.api import RefUpdate, Session

if TYPE_CHECKING:
    from mvcd.repo.change.signing import Signer

_LEAST_ATTEMPTS = 3
"""Tries before the time that one waits for others counts."""
_WHOLE_TREE = (".",)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a version is made: `message` and what else it says of itself.

    `made` has its author, time and place; the operation that records it has those of `context`. `parents` are
    what it follows, the first one being what is edited; by default the branch's newest version.
    """

    message: str
    context: Context
    made: Context | None = None
    trigger: Trigger = Trigger.MANUAL
    parents: Sequence[VersionId] | None = None
    allow_empty: bool = False
    signer: Signer | None = None


def write(
    core: Core,
    branch: str,
    changes: Mapping[str, Content],
    how: WriteOptions,
    *,
    expect: VersionId | None = None,
    whole: bool = False,
) -> CommitResult:
    """Makes the next version of `branch`, which is made if there is none of that name: what its newest version
    has, with `changes` by path; just these, if `whole`.

    `expect` is the version that the branch has to be at, EMPTY_ID for one that must not be there.

    Raises Conflict: kind "checked-out" for a branch that a workspace stands on, "ref-changed" where the branch
    is not at `expect`, or kept moving for as long as one waits for a lock; Failure: "nothing-to-commit",
    "no-such-path", "unstable-file", "unreadable-file"; UsageError for a path that no version may have.
    """
    branch = new_name(branch, HEADS)
    _require_free(core, branch)
    edits = Edits(core, changes)
    deadline = time.monotonic() + core.lock.timeout
    turn = WorkspaceLock(os.path.join(core.store_path, "write.lock"), core.lock.timeout)
    attempt = 0
    with core.store.session() as session:
        while True:
            with turn.hold() if attempt else contextlib.nullcontext():
                try:
                    return _Attempt(core, branch, edits, how, whole=whole).run(session, expect)
                except (Conflict, StaleReuse) as error:
                    overtaken = isinstance(error, StaleReuse) or error.kind == "ref-changed"
                    late = attempt >= _LEAST_ATTEMPTS and time.monotonic() > deadline
                    if not overtaken or late or isinstance(error, _Unexpected):
                        raise
            attempt += 1


class _Unexpected(Conflict):
    """The branch is not where the caller knows it to be: no other try can help."""

    default_kind = "ref-changed"


def _require_free(core: Core, branch: str) -> None:
    """Raises Conflict where a workspace, this one or another, has the branch checked out."""
    core.others.require_free(branch)
    if not core.place.bare and core.head_value().branch == branch:
        raise Conflict(
            f"branch {branch!r} is checked out in {core.root}",
            kind="checked-out",
            cause="a version that is written to it would move it under the files of the workspace",
            help="mvc commit saves the workspace; or write to another branch",
        )


class _Attempt:
    """One try, over what the branch has now."""

    def __init__(
        self, core: Core, branch: str, edits: Edits, how: WriteOptions, *, whole: bool
    ) -> None:
        self._core, self._branch, self._edits, self._how = core, branch, edits, how
        self._ref = HEADS + branch
        self._old = core.store.ref(self._ref)
        self._tip = EMPTY_ID if self._old is None else target_of(self._old)
        self._parents = self._checked_parents()
        first = self._parents[0] if self._parents else EMPTY_ID
        self._parent = core.version(first)
        self._head = Head(branch, first, self._parent.generation)
        self._before = EMPTY if whole else self._parent
        self._fetch = CachingFetch(core.fetch)

    def _checked_parents(self) -> tuple[VersionId, ...]:
        """Raises Conflict where the branch would lose its newest version."""
        if self._how.parents is None:
            return () if self._tip == EMPTY_ID else (self._tip,)
        store, parents = self._core.store, self._how.parents
        if self._tip != EMPTY_ID and not any(is_ancestor(store, self._tip, id) for id in parents):
            raise _Unexpected(
                f"branch {self._branch!r} is at v{self._core.version(self._tip).generation}, "
                "from which none of the parents comes",
                cause="that version would be lost to it",
                help=f"mvc log {self._branch}",
            )
        return tuple(self._how.parents)

    def run(self, session: Session, expect: VersionId | None) -> CommitResult:
        if expect is not None and expect != self._tip:
            raise _Unexpected(
                f"branch {self._branch!r} is not at {_named(expect)}",
                cause=f"it is at {_named(self._tip)} by now",
                help=f"mvc log {self._branch}",
            )
        self._core.rely_on(session, self._parents)
        target = StoreTarget(self._core.store, session)
        snapshot = self._snapshot(session, target)
        if not self._how.allow_empty and same_content(snapshot.version, self._parent):
            raise Failure(
                "nothing to commit",
                kind="nothing-to-commit",
                cause=f"branch {self._branch!r} has all of it in v{self._head.number}",
                help=f"mvc log {self._branch}",
            )
        return self._record(session, target, snapshot)

    # ---------------------------------------------------------------- content

    def _snapshot(self, session: Session, target: StoreTarget) -> Snapshot:
        before, edits, fetch = self._before, self._edits, self._fetch
        gone = edits.gone_from(before, fetch, self._branch)
        edits.require_places(before, gone, fetch)
        edits.rely_on_copies(session)
        old = settings.load_version(before, fetch)
        now = edits.settings_after(old)
        rules = settings.component_rules(now)
        same_rules = rules.digest == settings.component_rules(old).digest
        bases = bases_of(self._core, self._parent, now)
        snapshotter = Snapshotter(
            self._core, rules, fetch, self._parent, bases=bases.for_path, places=edits,
            main=settings.main_metrics(now), digests=settings.wanted_digests(now),
        )  # fmt: skip
        scan = Scan(edits.candidates, gone, (), False, 0, self._core.clock(), {}, ())
        known = Known(self._head.version, before, same_rules)
        tracked = _tracked(before.tracked, edits.paths)
        snapshot = snapshotter.take(known, scan, tracked, target, entries=edits.copies)
        for path, why in snapshot.unreadable.items():
            raise Failure(f"{path} cannot be read", kind="unreadable-file", cause=why)
        snapshot.unfound_bases = bases.unfound
        return snapshot

    # ---------------------------------------------------------------- the version

    def _record(self, session: Session, target: StoreTarget, snapshot: Snapshot) -> CommitResult:
        core, how = self._core, self._how
        made = how.made or how.context
        version = self._version(snapshot.version, made)
        data = version.encode()
        id = VersionId.of(data)
        signature = None if how.signer is None else how.signer.version(core, id)
        stored = target.put_object(id, data)
        core.record(
            how.context,
            "write",
            f"write v{version.generation} to {self._branch}: {first_line(how.message)}",
            [RefUpdate(self._ref, self._old, bytes(id)), signature],
            session=session,
            cache=snapshot.cache,
        )
        return committed(
            id, version, self._parent, CommitTarget(self._branch, self._old is None, []),
            bytes_changed=snapshot.bytes_changed, bytes_new=snapshot.bytes_new,
            bytes_stored=snapshot.bytes_stored + stored, skipped=tuple(self._edits.skipped),
            signature=signature, unparsed=snapshot.unparsed, unfound_bases=snapshot.unfound_bases,
        )  # fmt: skip

    def _version(self, content: Version, made: Context) -> Version:
        version = derived(content, self._head, self._how.message, self._how.trigger, made)
        numbers = (self._core.version(id).generation for id in self._parents)
        return replace(version, parents=self._parents, generation=max(numbers, default=0) + 1)


def _tracked(before: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """What is under care once the version is checked out: all that was, and for what is new the first directory
    on its way; everything in a version that follows none."""
    if not before or _WHOLE_TREE[0] in before:
        return _WHOLE_TREE
    tracked = set(before)
    for path in paths:
        if path not in tracked and tracked.isdisjoint(directories_above(path)):
            tracked.add(path.partition("/")[0])
    return tuple(sorted(p for p in tracked if tracked.isdisjoint(directories_above(p))))


def _named(id: VersionId) -> str:
    return "no version" if id == EMPTY_ID else id.short()
