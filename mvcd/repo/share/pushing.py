"""`push`: what a remote lacks goes there; then its refs move, all or none, if they are still where they were.

Success is what the remote's receipt says: it has verified every byte and holds all that the moved refs
reach. With versions and tags go their signatures, and the records of stages that are about them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mvcd.errors import Conflict, Failure, MissingObject, NoRepository, StaleReuse, UsageError
from mvcd.ids import VersionId
from mvcd.objects.ancestry import between
from mvcd.repo.core import remotes
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import hold, is_here
from mvcd.repo.core.wanted import Wanted, is_partial
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.committed import Context
from mvcd.repo.records.names import check_name, is_earlier, known_name, new_name, ref_meant, written
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
)
from mvcd.repo.share import noting
from mvcd.repo.share.fetching import RefChange, connected
from mvcd.repo.share.remote_damage import RemoteDamage
from mvcd.repo.trust.incoming import is_ancestor
from mvcd.repo.trust.receiving import shared
from mvcd.repo.trust.signatures import travelling
from mvcd.store.api import RefUpdate, Session
from mvcd.store.peer import NAMES, PRUNES, Peer, Receipt
from mvcd.sync.push import Sent
from mvcd.sync.push import push as send


@dataclass(frozen=True, slots=True)
class PushResult:
    """The receipt. `bytes` travelled; `verified_*` is what the remote decoded and re-hashed of them. `healed`:
    objects that were damaged there and came anew; `damaged`: those that are left. `made`: the repository
    was absent as this push began, and was made there."""

    remote: str
    url: str
    moved: tuple[RefChange, ...]
    versions: int = 0
    objects: int = 0
    bytes: int = 0
    verified_objects: int = 0
    verified_bytes: int = 0
    dry_run: bool = False
    healed: int = 0
    damaged: int = 0
    made: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a push is to do. `specs`: NAME, SOURCE:NAME, or :NAME to delete; none: the current branch."""

    specs: Sequence[str] = ()
    tags: bool = False
    all: bool = False
    force_with_lease: bool = False
    dry_run: bool = False


def push(core: Core, name: str | None, asked: Asked, *, context: Context) -> PushResult:
    """Sends what a remote lacks, then moves its refs.

    Raises Conflict(kind="non-fast-forward", "stale-lease", "ref-changed"), and what remotes raise.
    """
    remote = remotes.remote(core.config, name)
    wanted = _wanted(core, asked)
    with connected(core, [remote], begin=not asked.dry_run) as (peer,):
        found, made = _refs_there(peer, asked)
        theirs = {ref: value for ref, value in found.items() if shared(ref)}
        wanted = _with_those_there(wanted, theirs, remote)
        updates = [
            RefUpdate(ref, theirs.get(ref), value)
            for ref, value in wanted.items()
            if theirs.get(ref) != value
        ]
        _require_takes_names(peer, updates)
        force = _forced(core, remote, updates, asked, theirs)
        updates += _companions(core, wanted, theirs)
        done = PushResult(
            remote.name, remote.url, tuple(map(RefChange.of, updates)), dry_run=asked.dry_run,
            made=made,
        )  # fmt: skip
        if asked.dry_run:
            return _with(done, _notes_to_go(core, peer, updates, theirs, context))
        damage = RemoteDamage(core, peer, wanted, peer.told().damaged)
        damage.heal(theirs, context.author, moving=bool(updates))
        sent, receipt = Sent(), Receipt(0, 0, 0)
        if updates:
            sent, receipt = _send(core, peer, updates, force, theirs, context)
            _remember(core, remote, updates)
            notes = noting.outgoing_with(core, peer, theirs, context)
        else:
            notes = noting.outgoing(core, peer, theirs, context)
        left = damage.left()
    return replace(
        _with(done, notes), versions=sent.versions, objects=sent.objects, bytes=sent.bytes,
        verified_objects=receipt.objects, verified_bytes=receipt.verified_bytes,
        healed=max(0, damage.known - left), damaged=left,
    )  # fmt: skip


def _refs_there(peer: Peer, asked: Asked) -> tuple[dict[str, bytes], bool]:
    """The remote's refs, and whether the repository was made for this push: reading never makes one, so it is
    read first, and asked for where it is not there."""
    try:
        return peer.refs(), False
    except NoRepository:
        if asked.dry_run:
            raise
    peer.create()
    return peer.refs(), True


def _send(
    core: Core,
    peer: Peer,
    updates: Sequence[RefUpdate],
    force: frozenset[str],
    theirs: Mapping[str, bytes],
    context: Context,
) -> tuple[Sent, Receipt]:
    named = [version_named(u.name, u.target) for u in updates if u.target is not None]
    heads = list(dict.fromkeys(id for id in named if id is not None))
    known = [version_named(name, value) for name, value in theirs.items()]
    haves = list(dict.fromkeys(id for id in known if id is not None))
    less = is_partial(core.config)
    detail = "push " + " ".join(u.name for u in updates[:8])
    lacks = frozenset(marked_by(theirs))
    here = [id for id, found in zip(haves, core.store.has(haves), strict=True) if found]
    keep = contextlib.ExitStack()  # what was pruned and is here stays until it is sent
    session = keep.enter_context(core.store.session()) if core.store.refs(PRUNED) else None

    def once(haves: Sequence[VersionId]) -> tuple[Sent, Receipt]:
        new, gone = hollow(core, heads, haves, session)
        marked = only(gone, set(between(heads, here, core.version)))
        if marked and PRUNES not in peer.told().features:
            raise _knows_no_pruning(core, peer, marked)
        marks = [RefUpdate(name_of(value), None, value) for value in encode(marked)]
        moves = [*updates, *(mark for mark in marks if mark.name not in theirs)]
        sent = send(
            core.store, peer, heads, haves, monitor=core.monitor, partial=less, lacks=lacks,
            leave=Wanted().left_out(new, heads, core.store.get, gone) if gone else frozenset(),
        )  # fmt: skip
        return sent, peer.update_refs(moves, force=force, author=context.author, detail=detail)

    core.monitor.begin("push")
    try:
        return _tried_again(once, here)
    finally:
        core.monitor.finish()
        keep.close()


def _tried_again(
    once: Callable[[Sequence[VersionId]], tuple[Sent, Receipt]], here: Sequence[VersionId]
) -> tuple[Sent, Receipt]:
    """Once more where something was collected there meanwhile: what no ref named yet, or what a ref reached
    that was deleted. Where it lacks what its own refs were thought to reach, it is asked about everything."""
    try:
        return once(here)
    except StaleReuse:
        with contextlib.suppress(MissingObject):
            return once(here)
    except MissingObject:
        pass
    return once([])


def hollow(
    core: Core, heads: Sequence[VersionId], haves: Sequence[VersionId], session: Session | None
) -> tuple[list[VersionId], dict[VersionId, Pruning]]:
    """Versions that go to who has `haves`, parents first, and those of them that were pruned here and whose
    content is gone; that of the others no collection takes while the session lasts."""
    new = list(between(heads, haves, core.version))[::-1]
    marked = only(marked_by(core.store.refs(PRUNED)), set(new))
    if session is not None:
        hold(core, session, marked)
    return new, {id: pruning for id, pruning in marked.items() if not is_here(core, id)}


def _knows_no_pruning(core: Core, peer: Peer, marked: Collection[VersionId]) -> Failure:
    oldest = min(core.version(id).generation for id in marked)
    return Failure(
        f"{peer.url} takes only versions with their content",
        kind="newer-format",
        cause=f"v{oldest} and others were pruned here, and the mvc there is too old to be told",
        help="upgrade mvc there, or push before versions are pruned",
    )


def _require_takes_names(peer: Peer, updates: Sequence[RefUpdate]) -> None:
    """Raises Failure where the peer is of a release that would refuse a name, before anything is sent."""
    wide = [u.name for u in updates if not is_earlier(u.name.split("/", 1)[1])]
    if wide and NAMES not in peer.told().features:
        raise Failure(
            f"{peer.url} does not take the name {written(wide[0])}",
            kind="newer-format",
            cause="the mvc there is older and knows only names of letters, digits and . _ / + -"
            " that do not read as a revision",
            help="upgrade mvc there, or push under another name",
        )


def _with(done: PushResult, notes: Sequence[RefUpdate]) -> PushResult:
    return replace(done, moved=(*done.moved, *map(RefChange.of, notes)))


def _notes_to_go(
    core: Core,
    peer: Peer,
    updates: Sequence[RefUpdate],
    theirs: Mapping[str, bytes],
    context: Context,
) -> list[RefUpdate]:
    """The annotations that would go there with or after these updates."""
    if not core.store.refs(NOTES):
        return []
    named = [version_named(u.name, u.target) for u in updates if u.target is not None]
    haves = [id for id in map(version_named, theirs.keys(), theirs.values()) if id is not None]
    here = [id for id, found in zip(haves, core.store.has(haves), strict=True) if found]
    coming = set(between([id for id in named if id is not None], here, core.version))
    return noting.outgoing(core, peer, theirs, context, coming=coming, dry_run=True)


# -------------------------------------------------------------------- what is to move


def _wanted(core: Core, asked: Asked) -> dict[str, bytes | None]:
    """The remote's refs as they are to be."""
    found: dict[str, bytes | None] = {}
    for spec in asked.specs:
        found.update([_spec(core, spec)])
    if asked.all:
        found.update(core.store.refs(HEADS))
    if asked.tags:
        found.update(core.store.refs(TAGS))
    if not (asked.specs or asked.all):
        head = core.head()
        if head.branch is None and not asked.tags:
            raise Failure(
                "HEAD is on no branch, so there is none to push", kind="detached",
                help="mvc push REMOTE BRANCH  (or: mvc push REMOTE HEAD:BRANCH)",
            )  # fmt: skip
        if head.branch is not None and head.version != EMPTY_ID:
            found[HEADS + head.branch] = bytes(head.version)
    if not found:
        raise Failure(
            "there is nothing to push yet", kind="no-versions", help="mvc commit -m '...'"
        )
    return found


def _spec(core: Core, spec: str) -> tuple[str, bytes | None]:
    source, colon, there = spec.partition(":")
    if not colon:
        name = ref_meant(source, core.revisions.has)
        if name is not None and (value := core.store.ref(name)) is not None:
            return name, value
        raise Failure(
            f"there is no branch or tag {source!r}", kind="unknown-branch",
            help=f"mvc branch  (or push any version: mvc push REMOTE {source}:BRANCH)",
        )  # fmt: skip
    name = _named_there(there)
    if not source:
        return name, None
    if name.startswith(TAGS):
        tag = known_name(source, TAGS, core.revisions.has)
        if (value := core.store.ref(TAGS + tag)) is not None:
            return name, value
    id = core.resolve(source)
    if id == EMPTY_ID:
        raise Failure(
            "there is nothing to push yet", kind="no-versions", help="mvc commit -m '...'"
        )
    return name, bytes(id)


def _with_those_there(
    wanted: Mapping[str, bytes | None], theirs: Mapping[str, bytes], remote: remotes.Remote
) -> dict[str, bytes | None]:
    """What is wanted, where each name that is to go is there: a tag's where no branch has it. Raises Failure
    for one that nothing has: who mistyped it would take it for gone."""
    found: dict[str, bytes | None] = {}
    for name, value in wanted.items():
        meant = name
        if value is None and name not in theirs:
            meant = TAGS + name.removeprefix(HEADS)
            if meant not in theirs:
                raise Failure(
                    f"there is no branch or tag {written(name)} at {remote.name or remote.url}",
                    kind="unknown-branch",
                    help=f"mvc ls-remote {remote.name or remote.url}",
                )
        found[meant] = value
    return found


def _named_there(there: str) -> str:
    """The ref that the right side of SOURCE:NAME means. Raises UsageError."""
    for space in (HEADS, TAGS):
        if there.startswith(space):
            return space + new_name(there, space)
    if not shared(there):
        return HEADS + new_name(there, HEADS, "mvc push REMOTE REV:")
    if not there.startswith(AUTO):
        raise UsageError(f"{there!r} cannot be pushed to", kind="bad-name")
    check_name(there.removeprefix(AUTO), "ref")
    return there


def _forced(
    core: Core,
    remote: remotes.Remote,
    updates: Sequence[RefUpdate],
    asked: Asked,
    theirs: Mapping[str, bytes],
) -> frozenset[str]:
    """Names whose move loses versions there. Raises Conflict unless that is wanted and was seen coming."""
    forced = set()
    for update in updates:
        if update.expect is None or not update.name.startswith((HEADS, AUTO, TAGS)):
            continue
        if update.target is not None and _is_forward(core, update):
            continue
        if update.target is not None and not asked.force_with_lease:
            if update.name.startswith(TAGS):
                raise Conflict(
                    f"tag {written(update.name)} is another version there",
                    kind="tag-exists", cause="a tag never moves",
                    help="give yours another name  (or: mvc push --force-with-lease)",
                )  # fmt: skip
            raise Conflict(
                f"{update.name.split('/', 1)[1]} has versions there that it has not here",
                kind="non-fast-forward", cause="moving it would lose them",
                help=f"mvc pull {remote.name}".rstrip() + "  (then push again)",
            )  # fmt: skip
        if asked.force_with_lease:
            _require_lease(core, remote, update, theirs)
        forced.add(update.name)
    return frozenset(forced)


def _is_forward(core: Core, update: RefUpdate) -> bool:
    assert update.expect is not None and update.target is not None
    if update.name.startswith(TAGS):
        return False
    old = target_of(update.expect)
    return core.store.has([old])[0] and is_ancestor(core.store, old, target_of(update.target))


def _require_lease(
    core: Core, remote: remotes.Remote, update: RefUpdate, theirs: Mapping[str, bytes]
) -> None:
    seen = core.store.ref(tracking_name(remote.name, update.name))
    if seen != theirs.get(update.name):
        raise Conflict(
            f"{update.name} moved since it was last fetched",
            kind="stale-lease",
            cause="somebody else pushed: what they did would be lost unseen",
            help=f"mvc fetch {remote.name}  (look at it, then push again)",
        )


def _companions(
    core: Core,
    wanted: Mapping[str, bytes | None],
    theirs: Mapping[str, bytes],
) -> Iterator[RefUpdate]:
    """Signatures and records of stages that the remote lacks and that are about what is pushed."""
    lacking = [
        name
        for space in (SIGNATURES, STAGES)
        for name in core.store.refs(space)
        if name not in theirs
    ]
    if not lacking:
        return
    tips = [version_named(name, value) for name, value in wanted.items() if value is not None]
    reached = {v.id for v in ancestors(core, [id for id in tips if id is not None])}
    tags = [n.removeprefix(TAGS) for n, v in wanted.items() if n.startswith(TAGS) and v]
    for name, value in travelling(core.store, reached, tags).items():
        if name not in theirs:
            yield RefUpdate(name, None, value)
    stopped: set[str] = set()
    for name, value in core.store.refs(STAGES).items():
        stage = name.rpartition("/")[0]
        if name in theirs:
            if theirs[name] != value:
                stopped.add(stage)
        elif stage not in stopped and target_of(value) in reached:
            yield RefUpdate(name, None, value)
        else:
            stopped.add(stage)  # a history is pushed without gaps


# -------------------------------------------------------------------- afterwards


def _remember(core: Core, remote: remotes.Remote, updates: Sequence[RefUpdate]) -> None:
    """Where the remote's refs are now."""
    if not remote.name:
        return
    moves = []
    for update in updates:
        if update.name.startswith((HEADS, TAGS, AUTO)):
            local = tracking_name(remote.name, update.name)
            moves.append(RefUpdate(local, core.store.ref(local), update.target))
    with contextlib.suppress(Conflict):  # a fetch beside us knows as much
        core.store.update_refs([m for m in moves if m.expect != m.target])
