"""Making versions: the workspace's state under a branch, an old version's content again, paths under care."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mvcd.errors import Failure, StaleReuse, UsageError
from mvcd.ids import VersionId
from mvcd.inspect.dubious import dubious as dubious_among
from mvcd.lateclasses import dataclass
from mvcd.objects.tree import Fetch
from mvcd.objects.version import EMPTY, Component, Provenance, Trigger, Version
from mvcd.repo.change import anew
from mvcd.repo.contents.files import CachingFetch, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.ondisk.folding import on_disk
from mvcd.repo.ondisk.ground import Ground
from mvcd.repo.records.committed import CommitResult, ComponentCommit, Context
from mvcd.repo.records.refs import HEADS, HeadValue
from mvcd.repo.records.standing import Head
from mvcd.repo.workspace import ignore
from mvcd.repo.workspace.found import paths_of
from mvcd.repo.workspace.scan import unsafe_link
from mvcd.repo.workspace.settings import FILE, Settings, load, stated_bases, wanted_digests
from mvcd.repo.workspace.snapshot import Snapshot
from mvcd.repo.workspace.workspace import ScannedWorkspace, relative
from mvcd.store.api import RefUpdate, Session

if TYPE_CHECKING:
    from mvcd.repo.bases.finding import FileTensors, TensorBases
    from mvcd.repo.bases.stated import StatedBase
    from mvcd.repo.change.signing import Signer

_MAX_ATTEMPTS = 3
"""Tries when a collection takes away what a commit meant to reuse (each stores that anew, so two suffice), when
what it meant to reuse was found to be damaged, so that files that have not changed are to be read too, or when
a file that the scan saw is gone when it is to be read."""

_MAX_TRACKED_BYTES = 60_000
"""Bytes of all tracked paths together: a ref's value holds 64 KiB."""


def add(core: Core, paths: Sequence[str], *, context: Context) -> tuple[str, ...]:
    """Puts paths under care; answers those that were not."""
    with core.lock.hold():
        tracked = set(core.tracked())
        wanted = {_existing(core, path) for path in paths}
        covered = {p for p in wanted if any(covers(t, p) for t in tracked)}
        new = wanted - covered
        result = {t for t in tracked if not any(covers(n, t) for n in new)} | new
        if len("\n".join(result).encode()) > _MAX_TRACKED_BYTES:
            raise Failure(
                f"{len(result)} paths are too many to track one by one",
                kind="too-many-paths",
                help="track the directory that holds them: mvc add DIR",
            )
        update = core.move_tracked(sorted(result))
        if update is not None:
            core.record(context, "add", "add " + " ".join(sorted(new)), [update])
        return tuple(sorted(new))


def untrack(core: Core, paths: Sequence[str], *, context: Context) -> tuple[str, ...]:
    """Takes tracked roots out of care; the files stay where they are, and in older versions."""
    with core.lock.hold():
        tracked = set(core.tracked())
        gone = {relative(core.root, path) for path in paths}
        for path in sorted(gone - tracked):
            above = next((t for t in tracked if covers(t, path)), None)
            raise Failure(
                f"{path} is not a tracked path",
                kind="not-tracked",
                cause=f"it is under care through {above}" if above else None,
                help=f"echo /{path} >> {ignore.IGNORE_FILE}" if above else "mvc status",
            )
        update = core.move_tracked(sorted(tracked - gone))
        core.record(context, "untrack", "untrack " + " ".join(sorted(gone)), [update])
        return tuple(sorted(gone))


def _existing(core: Core, path: str) -> str:
    inside = on_disk(core.root, relative(core.root, path))
    if Ground(core.root).status(inside) is None:
        raise Failure(f"{path} does not exist", kind="no-such-path", help="mvc status")
    first = inside.split("/", 1)[0]
    if first in ignore.NEVER or "\n" in inside:
        raise UsageError(f"{path} can never be versioned")
    try:
        inside.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path!r} is not a UTF-8 name", help="rename it") from None
    return inside


def covers(root: str, path: str) -> bool:
    return root in (".", path) or path.startswith(root + "/")


# -------------------------------------------------------------------- versions


@dataclass(slots=True)
class CommitTarget:
    """Where a new version goes: the branch, and the updates besides the branch's own."""

    branch: str
    started: bool
    updates: list[RefUpdate]


def commit(
    core: Core,
    message: str,
    *,
    context: Context,
    trigger: Trigger = Trigger.MANUAL,
    allow_empty: bool = False,
    signer: Signer | None = None,
) -> CommitResult:
    """Stores the workspace as a version on the current branch, or on a new one if HEAD is on an old version.

    Raises Failure(kind="nothing-tracked", "nothing-to-commit", "unstable-file"), and AuthError when `signer`
    cannot sign: no version is there then.
    """
    with core.lock.hold():
        return tried_again(lambda: _commit(core, message, context, trigger, allow_empty, signer))


def tried_again(save: Callable[[], CommitResult]) -> CommitResult:
    """Returns what `save` does. It begins anew when a collection took what it relied on, or a file went away
    while it was read; a few times at most."""
    for attempt in range(_MAX_ATTEMPTS):
        try:
            return save()
        except (StaleReuse, Failure) as error:
            moved = isinstance(error, StaleReuse) or error.kind == "vanished-file"
            if not moved or attempt == _MAX_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _commit(
    core: Core,
    message: str,
    context: Context,
    trigger: Trigger,
    allow_empty: bool,
    signer: Signer | None,
) -> CommitResult:
    damaged = anew.worth_reading_all(core)
    if trigger is Trigger.MANUAL and (settings := load(core.root)):
        from mvcd.repo.core.settingskeys import require_known  # late: start-up

        require_known(settings, FILE)  # what saves by itself saves, and status tells
    head, workspace = core.head(), ScannedWorkspace(core, fresh=bool(damaged))
    parent = core.version(head.version)
    if not workspace.tracked and not parent.tracked:
        raise Failure(
            "nothing is tracked yet",
            kind="nothing-tracked",
            help="mvc add .  (or the paths you want)",
        )
    with core.store.session() as session:
        session.missing([i for i in (head.version, workspace.known.id) if i != EMPTY.id])
        snapshot = take(workspace, session, parent)
        if not damaged and anew.worth_reading_all(core):
            raise StaleReuse("damage was found on the way", help="run the command again")
        skipped = tuple(sorted({*workspace.scan.skipped, *snapshot.unreadable.items()}))
        clean = snapshot.settled  # every file that held still
        healed = anew.stored_anew(core, session, damaged)
        if same_content(snapshot.version, parent) and not allow_empty:
            core.store.cache_put(workspace.rows(head.version, clean, snapshot.kept))
            raise Failure(
                "nothing to commit", kind="nothing-to-commit",
                cause=f"the workspace is as v{head.number} has it{_but_for(skipped)}{healed}",
                help="mvc status",
            )  # fmt: skip
        version = derived(snapshot.version, head, message, trigger, context)
        place = place_for(core, head)
        data = version.encode()
        id = VersionId.of(data)
        signature = None if signer is None else signer.version(core, id)
        stored = StoreTarget(core.store, session).put_object(id, data)
        core.record(
            context,
            "commit",
            f"commit v{version.generation} {first_line(message)}",
            [*place.updates, advance(core, place, head, id), signature],
            session=session,
            cache=workspace.rows(id, clean, snapshot.kept) | snapshot.cache,
        )
    return committed(
        id,
        version,
        parent,
        place,
        bytes_changed=snapshot.bytes_changed,
        bytes_new=snapshot.bytes_new,
        bytes_stored=snapshot.bytes_stored + stored,
        skipped=skipped,
        leading_out=tuple(leading_out(core.root, snapshot, parent)),
        signature=signature,
        unparsed=tuple(newly(snapshot.unparsed, version, parent, snapshot.fetch)),
        unfound_bases=snapshot.unfound_bases,
        dubious=tuple(dubious(paths_of(workspace.scan.candidates), parent, snapshot.fetch)),
    )


def dubious(paths: Iterable[str], parent: Version, fetch: Fetch) -> Iterator[tuple[str, str]]:
    """Names what is seldom meant to be versioned and the parent has not: it is told once."""
    files = VersionFiles(parent, fetch)
    for path, what in sorted(dubious_among(paths).items()):
        if next(iter(files.all(prefix=path.rstrip("/"))), None) is None:
            yield path, what


def newly(
    unparsed: Sequence[tuple[str, str]], version: Version, parent: Version, fetch: Fetch
) -> Iterator[tuple[str, str]]:
    """What was told before, at the commit that brought the file, is not told again: status keeps it."""
    now, then = (
        VersionFiles(v, fetch).lookup([path for path, _ in unparsed]) for v in (version, parent)
    )
    for path, why in unparsed:
        if path not in now or now[path] != then.get(path):
            yield path, why


def committed(
    id: VersionId,
    version: Version,
    parent: Version,
    place: CommitTarget,
    *,
    bytes_changed: int,
    bytes_new: int,
    bytes_stored: int,
    skipped: tuple[tuple[str, str], ...] = (),
    leading_out: tuple[tuple[str, str], ...] = (),
    signature: RefUpdate | None = None,
    unparsed: tuple[tuple[str, str], ...] = (),
    unfound_bases: tuple[tuple[str, str], ...] = (),
    dubious: tuple[tuple[str, str], ...] = (),
) -> CommitResult:
    """The answer of a verb that made `version` as the child of `parent`."""
    signer = None
    if signature is not None:
        from mvcd.repo.trust.signatures import signer_of  # late: start-up

        signer = signer_of(signature)
    return CommitResult(
        version=id,
        number=version.generation,
        branch=place.branch,
        started_branch=place.started,
        files=sum(c.files for c in version.components.values()),
        bytes_total=sum(c.size for c in version.components.values()),
        bytes_changed=bytes_changed,
        bytes_new=bytes_new,
        bytes_stored=bytes_stored,
        components=summary(parent, version),
        skipped=skipped,
        leading_out=leading_out,
        signer=signer,
        unparsed=unparsed,
        unfound_bases=unfound_bases,
        dubious=dubious,
    )


def leading_out(root: str, snapshot: Snapshot, parent: Version) -> Iterator[tuple[str, str]]:
    """Links that the parent has not, and whose targets lie outside: what is there is in no version."""
    links = snapshot.links
    before = VersionFiles(parent, snapshot.fetch).lookup(links)
    now = VersionFiles(snapshot.version, snapshot.fetch).lookup(links)
    for path in links:
        if before.get(path) != now.get(path):
            with contextlib.suppress(OSError):  # it went since
                target = os.readlink(os.path.join(root, path))
                if unsafe_link(path, target):
                    yield path, target


def take(workspace: ScannedWorkspace, session: Session, parent: Version) -> Snapshot:
    """Reads the workspace into a session."""
    core = workspace.core
    bases = bases_of(core, parent, workspace.settings)
    wanted = wanted_digests(workspace.settings)
    snapshotter = workspace.snapshotter(bases.for_path, digests=wanted)
    target = StoreTarget(core.store, session)
    snapshot = snapshotter.take(workspace.known, workspace.scan, workspace.tracked, target)
    snapshot.unfound_bases = bases.unfound
    return snapshot


def bases_of(core: Core, parent: Version, settings: Settings) -> LateBases:
    """Where what is committed after `parent` finds its bases. Nothing is fetched for it. Raises Failure where
    the settings are wrong."""
    return LateBases(core, parent, stated_bases(settings))


class LateBases:
    """Where what is committed after a version finds its bases, made when a file first asks: most commits
    hold none that does, and a dozen modules need not be loaded then. Thread-safe."""

    def __init__(self, core: Core, parent: Version, table: tuple[StatedBase, ...]) -> None:
        self._core = core
        self._parent = parent
        self._table = table
        self._lock = threading.Lock()
        self._made: TensorBases | None = None

    def for_path(self, path: str) -> FileTensors:
        with self._lock:
            made = self._made = self._made or self._make()
        return made.for_path(path)

    @property
    def unfound(self) -> tuple[tuple[str, str], ...]:
        """Lines of the workspace's settings that were of no use, and why."""
        return () if self._made is None else self._made.unfound

    def _make(self) -> TensorBases:
        from mvcd.repo.bases.finding import TensorBases  # late: start-up
        from mvcd.repo.bases.stated import StatedBases

        core, fetch = self._core, CachingFetch(self._core.store.get)
        stated = StatedBases(
            self._table,
            self._parent,
            fetch,
            lookup=lambda rev: core.version(core.resolve(rev)),
            way_to_absent=core.way_to_absent,
        )
        return TensorBases(
            self._parent,
            core.store,
            fetch,
            stated=stated if self._table else None,
            load=core.version,
        )


def derived(
    content: Version, head: Head, message: str, trigger: Trigger, context: Context
) -> Version:
    """A version with the content of `content` (components, values, tracked paths) as the child of HEAD."""
    return replace(
        content,
        parents=(head.version,) if head.number else (),
        generation=head.number + 1,
        author=context.author,
        time_us=context.time_us,
        utc_offset_minutes=context.utc_offset_minutes,
        message=message,
        trigger=trigger,
        provenance=Provenance(
            git_commit=context.git_commit,
            git_dirty=context.git_dirty,
            command=context.command,
            host=context.host,
            python=context.python,
            packages_digest=context.packages_digest,
        ),
    )


def _but_for(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return ""
    (path, reason), *more = skipped
    return f", but for {path}: {reason}" + (f", and {len(more)} more" if more else "")


def same_content(a: Version, b: Version) -> bool:
    """Whether there would be nothing to commit."""
    return a.components == b.components and a.tracked == b.tracked


def place_for(core: Core, head: Head) -> CommitTarget:
    """The branch that a child of HEAD goes to; from an old version a branch of its own is started."""
    if head.branch is not None:
        return CommitTarget(head.branch, False, [])
    base = name = f"from-v{head.number}"
    taken = core.store.refs(HEADS)
    number = 2
    while HEADS + name in taken:
        name, number = f"{base}-{number}", number + 1
    return CommitTarget(name, True, [core.move_head(HeadValue(name))])


def advance(core: Core, place: CommitTarget, head: Head, id: VersionId) -> RefUpdate:
    """The move of the branch from HEAD's version to its child."""
    old = None if place.started else core.store.ref(HEADS + place.branch)
    assert place.started or (old or EMPTY.id)[:32] == head.version
    return RefUpdate(HEADS + place.branch, old, bytes(id))


def summary(parent: Version, version: Version) -> Mapping[Component, ComponentCommit]:
    return {
        c: ComponentCommit(root != parent.components[c], root.files, root.size)
        for c, root in version.components.items()
    }


def first_line(message: str) -> str:
    line = message.strip().split("\n", 1)[0]
    return line if len(line) <= 60 else line[:59] + "…"
