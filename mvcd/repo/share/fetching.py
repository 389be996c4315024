"""`fetch` and `pull`: what a remote has comes here, is verified, and only then has a name.

A remote's branches and tags are remembered below `remotes/NAME/`. Tags, records of stages and signatures
that are new come to their own places too; what is here and differs stays as it is, with a warning. Of
annotations the later one holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from mvcd.errors import Conflict, CorruptObject, Failure, StaleReuse
from mvcd.ids import Digest, VersionId
from mvcd.repo.change import moves
from mvcd.repo.core import connecting, remotes, wanted
from mvcd.repo.core.core import Core
from mvcd.repo.joining.merge import MergeResult, merge
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.records.committed import Context
from mvcd.repo.records.names import known_name, written
from mvcd.repo.records.pruned import Pruning, encode, marked_by, name_of, only
from mvcd.repo.records.refs import (
    AUTO,
    EMPTY_ID,
    HEADS,
    NOTES,
    PRUNED,
    SIGNATURES,
    STAGES,
    TAGS,
    target_of,
    tracking_name,
    version_named,
    versions_of_refs,
)
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.restore.early import EarlyFiles
from mvcd.repo.share import noting
from mvcd.repo.trust.incoming import is_ancestor, name_problem
from mvcd.repo.trust.receiving import shared
from mvcd.repo.trust.signatures import TAG_SIGNATURES
from mvcd.store.api import RefUpdate, Session
from mvcd.store.peer import Peer
from mvcd.sync.pull import Onlooker, Received, heal, pull

_MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref before and after: what it points to; None where it is not there."""

    name: str
    old: VersionId | None
    new: VersionId | None

    @classmethod
    def of(cls, update: RefUpdate) -> Self:
        old, new = (
            None if value is None else version_named(update.name, value)
            for value in (update.expect, update.target)
        )
        return cls(update.name, old, new)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came. `bytes` are those of the records that travelled."""

    remote: str
    url: str
    moved: tuple[RefChange, ...]
    versions: int
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PullResult:
    """What came, and what became of the current branch; it was up to date where there is neither `checkout` nor
    `merged`."""

    fetched: FetchResult
    branch: str
    old: VersionId
    new: VersionId
    checkout: CheckoutResult | None
    merged: MergeResult | None = None


@contextlib.contextmanager
def connected(
    core: Core, found: Sequence[remotes.Remote], *, begin: bool = False
) -> Iterator[list[Peer]]:
    """Peers for these remotes. With `begin`, a bucket without a repository gets one by what is pushed."""
    with contextlib.ExitStack() as stack:
        peers = []
        for one in found:
            peer = connecting.connect(
                one, core.secret, core.clock, core.monitor.warn, nearby=core.store, begin=begin
            )
            stack.callback(peer.close)
            peers.append(peer)
        yield peers


def fetch(core: Core, names: Sequence[str | None] = ()) -> FetchResult:
    """Brings from the first of these remotes all that is new, its content from all of them."""
    found = [remotes.remote(core.config, name) for name in names or (None,)]
    with connected(core, found) as peers:
        return fetch_from(core, found[0], peers)


def fetch_from(
    core: Core,
    remote: remotes.Remote,
    peers: Sequence[Peer],
    refs: Mapping[str, bytes] | None = None,
    onlooker: Onlooker | None = None,
    also: Sequence[VersionId] = (),
) -> FetchResult:
    """`refs` are the first peer's, if they were just asked for; `also` are versions wanted besides theirs."""
    found = peers[0].refs() if refs is None else refs
    theirs = {name: value for name, value in found.items() if _may_come(core, name)}
    for attempt in range(_MAX_ATTEMPTS):
        try:
            # Once: a second walk would begin the same files again.
            return _fetch(core, remote, peers, theirs, None if attempt else onlooker, also)
        except (StaleReuse, Conflict):  # collected, or fetched by somebody else, meanwhile
            if attempt == _MAX_ATTEMPTS - 1:
                raise
        except CorruptObject:  # if it is damage here, it is known since then, and brought anew
            if attempt == _MAX_ATTEMPTS - 1 or not core.store.damaged():
                raise
    raise AssertionError("unreachable")


def _may_come(core: Core, name: str) -> bool:
    """Whether a ref of a remote is one that travels. A name that nobody could write is told, and left out; of
    annotations, of which there may be many, `noting` tells."""
    if not shared(name) or name.startswith(NOTES):
        return shared(name)
    if problem := name_problem(name):
        core.monitor.warn(f"{name!r} is left out: {problem}")
    return not problem


def _fetch(
    core: Core,
    remote: remotes.Remote,
    peers: Sequence[Peer],
    theirs: Mapping[str, bytes],
    onlooker: Onlooker | None,
    also: Sequence[VersionId],
) -> FetchResult:
    store = core.store
    mine = store.refs()
    named = [version_named(name, value) for name, value in theirs.items()]
    heads = list(dict.fromkeys(id for id in (*named, *also) if id is not None))
    haves = list(dict.fromkeys(versions_of_refs(mine)))
    hollow: dict[VersionId, Pruning] = {}
    with store.session() as session:
        received = _heal(core, session, peers)
        if set(heads) - set(haves):
            choice = wanted.wanted(core.config)
            theirs_pruned, mine_pruned = marked_by(theirs), marked_by(mine)
            whole = choice.everything and mine_pruned.keys().isdisjoint(haves)

            def leave(
                new: Sequence[VersionId], read: Callable[[Digest], bytes]
            ) -> frozenset[Digest]:
                hollow.update(only(theirs_pruned, set(new) - set(heads)))  # refs keep content
                return choice.left_out(new, heads, read, hollow)

            core.monitor.begin("fetch")
            try:
                came = pull(
                    store, session, peers, heads, haves, monitor=core.monitor,
                    leave=None if choice.everything and not theirs_pruned else leave,
                    passes_over=choice.passes_over, complete=whole, onlooker=onlooker,
                )  # fmt: skip
            finally:
                core.monitor.finish()
            session.flush()
            received.versions = came.versions
            received.objects += came.objects
            received.bytes += came.bytes
        core.rely_on(session, heads, whole=True)
        updates = [
            *(_tracking(remote.name, theirs, mine) if remote.name else ()),
            *_tags(core, theirs, mine),
            *_stages(core, theirs, mine),
            *_signatures(core, theirs, mine),
            *noting.arriving(core, _below(NOTES, theirs), mine),
            *_marks(hollow, mine),
        ]
        session.commit(updates)
    moved = tuple(RefChange.of(u) for u in updates if f"/{PRUNED}" not in f"/{u.name}")
    return FetchResult(
        remote.name, remote.url, moved, received.versions, received.objects, received.bytes
    )


def _heal(core: Core, session: Session, peers: Sequence[Peer]) -> Received:
    """Brings anew what is known to be damaged here, as far as the peers have it."""
    damaged = core.store.damaged()
    if not damaged:
        return Received()
    core.monitor.begin("heal")
    try:
        received = heal(session, core.store, peers, damaged, core.monitor)
    finally:
        core.monitor.finish()
    session.flush()
    return received


def _tracking(
    remote: str, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
) -> Iterator[RefUpdate]:
    """Makes what is remembered of a remote equal to what it has; a branch that is gone there is forgotten."""
    followed = (HEADS, TAGS, AUTO, PRUNED)
    wanted = {tracking_name(remote, n): v for n, v in theirs.items() if n.startswith(followed)}
    prefix = tracking_name(remote, "")
    for name, value in wanted.items():
        if mine.get(name) != value:
            yield RefUpdate(name, mine.get(name), value)
    for name, value in mine.items():
        if name.startswith(prefix) and name not in wanted:
            yield RefUpdate(name, value, None)


def _tags(
    core: Core, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
) -> Iterator[RefUpdate]:
    for name, value in theirs.items():
        if not name.startswith(TAGS) or mine.get(name) == value:
            continue
        if name in mine:
            core.monitor.warn(f"tag {written(name)} is another version there; yours stays")
        else:
            yield RefUpdate(name, None, value)


def _stages(
    core: Core, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
) -> Iterator[RefUpdate]:
    """Records that continue the histories that are here."""
    apart = {
        name.rpartition("/")[0]
        for name, value in theirs.items()
        if name.startswith(STAGES) and mine.get(name, value) != value
    }
    for stage in sorted(apart):
        core.monitor.warn(
            f"the history of stage {stage.removeprefix(STAGES)} went another way there"
        )
    for name, value in theirs.items():
        if name.startswith(STAGES) and name not in mine and name.rpartition("/")[0] not in apart:
            yield RefUpdate(name, None, value)


def _signatures(
    core: Core, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
) -> Iterator[RefUpdate]:
    """Those of versions and tags that are here as they are there."""
    for name, value in theirs.items():
        if not name.startswith(SIGNATURES) or name in mine:
            continue
        subject = name.rpartition("/")[0]
        if subject.startswith(TAG_SIGNATURES):
            tag = TAGS + subject.removeprefix(TAG_SIGNATURES)
            here = tag in theirs and mine.get(tag, theirs[tag]) == theirs[tag]
        else:
            try:
                here = core.store.has([VersionId.parse(subject.removeprefix(SIGNATURES))])[0]
            except ValueError:
                here = False
        if here:
            yield RefUpdate(name, None, value)


def _below(prefix: str, refs: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in refs.items() if name.startswith(prefix)}


def _marks(hollow: Mapping[VersionId, Pruning], mine: Mapping[str, bytes]) -> Iterator[RefUpdate]:
    """Marks of versions that came without their content, since it was pruned there."""
    for value in encode(hollow):
        name = name_of(value)
        if name not in mine:
            yield RefUpdate(name, None, value)


# -------------------------------------------------------------------- pull


def pull_branch(
    core: Core,
    names: Sequence[str | None] = (),
    branch: str | None = None,
    *,
    context: Context,
    choices: Choices | None = None,
) -> PullResult:
    """Fetches, then moves the current branch and the files forward to the remote's branch of that name.

    When both have versions that the other has not, they are merged as `choices` say. Without these, raises
    Conflict(kind="diverged").
    """
    head = core.head_value()  # not its version, which may be damaged and come anew
    if head.branch is None:
        raise Failure(
            "HEAD is on no branch, so there is none to move forward", kind="detached",
            help="mvc switch BRANCH  (or just: mvc fetch)",
        )  # fmt: skip
    found = [remotes.remote(core.config, name) for name in names or (None,)]
    wanted = branch or head.branch
    with connected(core, found) as peers:
        theirs = peers[0].refs()
        wanted = known_name(wanted, HEADS, theirs.__contains__) if branch else wanted
        value = theirs.get(HEADS + wanted)
        new = None if value is None else target_of(value)
        with EarlyFiles(core.place.directory, new) as early:
            fetched = fetch_from(core, found[0], peers, theirs, early)
            if new is None:
                raise Failure(
                    f"{found[0].name or found[0].url} has no branch {wanted!r}", kind="unknown-branch",
                    help=f"mvc ls-remote {found[0].name}".rstrip(),
                )  # fmt: skip
            return _forward(core, fetched, head.branch, wanted, new, context, early, choices)


def _forward(
    core: Core,
    fetched: FetchResult,
    branch: str,
    wanted: str,
    new: VersionId,
    context: Context,
    early: EarlyFiles,
    choices: Choices | None,
) -> PullResult:
    with core.lock.hold():
        old = core.head().version
        if old == new or (old != EMPTY_ID and is_ancestor(core.store, new, old)):
            return PullResult(fetched, branch, old, old, None)
        name = f"{fetched.remote}/{wanted}" if fetched.remote else new.short()
        diverged = old != EMPTY_ID and not is_ancestor(core.store, old, new)
        if diverged and choices is not None:
            merged = merge(core, name, choices, context=context)
            assert merged.commit is not None
            return PullResult(fetched, branch, old, merged.commit.version, None, merged)
        if diverged:
            raise Conflict(
                f"{branch} and {name} have diverged", kind="diverged",
                cause="each has versions that the other has not; everything is fetched, no file was changed",
                help=f"mvc merge {name}  (or at once: mvc pull --merge)",
            )  # fmt: skip
        done = moves.forward(core, branch, new, context, f"pull {name}", early=early.ready())
    return PullResult(fetched, branch, old, new, done)
