"""How annotations travel (records/ANNOTATIONS.md): per key the later one, both ways, and never by force."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from mvcd.errors import AuthError, Conflict
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.annotations import is_greater, is_whole, subject_of
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import NOTES
from mvcd.store.api import RefUpdate
from mvcd.store.peer import TAKES_NOTES, Peer

_Has = Callable[[Sequence[VersionId]], list[bool]]

_ATTEMPTS = 5
_NAMED_CHARACTERS = 80
_BATCH_BYTES = 1 << 20
"""Bytes of names and values in one update: a message has room for 4 MiB."""


def arriving(
    core: Core, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
) -> Iterator[RefUpdate]:
    """The updates that bring here what holds over what is here, of versions that are here."""
    left, refused = _holding(theirs, mine)
    if refused:
        refs = "ref" if len(refused) == 1 else "refs"
        core.monitor.warn(
            f"left out {len(refused):,} {refs} there that should be annotations and are none: "
            f"{refused[0][:_NAMED_CHARACTERS]!r}"
        )
    here = _known(left, core.store.has)
    for update in left:
        if _version_of(update) in here:
            yield update


def outgoing(
    core: Core,
    peer: Peer,
    theirs: Mapping[str, bytes],
    context: Context,
    *,
    coming: Collection[VersionId] = (),
    dry_run: bool = False,
) -> list[RefUpdate]:
    """Sends what holds over `theirs`, of versions that are there or `coming`; answers the updates.

    Raises AuthError where the caller may not; Conflict if others wrote the same keys again and again.
    """
    mine = core.store.refs(NOTES)
    if not mine:
        return []
    sent: list[RefUpdate] = []
    for attempt in range(_ATTEMPTS):
        left, _ = _holding(mine, theirs)
        there = _known(left, peer.has) | set(coming)
        left = [update for update in left if _version_of(update) in there]
        if left and TAKES_NOTES not in peer.told().features:
            stay = "annotation stays" if len(left) == 1 else "annotations stay"
            core.monitor.warn(
                f"{len(left):,} {stay} here: the mvc at {peer.url} is too old to take annotations"
            )
            return []
        if dry_run:
            return left
        try:
            for batch in _batches(left, peer.told().limits.ref_updates):
                detail = f"push {len(batch):,} annotations"
                peer.update_refs(batch, force=frozenset(), author=context.author, detail=detail)
                sent += batch
            break
        except Conflict:  # somebody else wrote one of them at this moment
            if attempt == _ATTEMPTS - 1:
                raise
            theirs = peer.refs(NOTES)
    return sent


def outgoing_with(
    core: Core, peer: Peer, theirs: Mapping[str, bytes], context: Context
) -> list[RefUpdate]:
    """The same beside refs that have moved: who may move those and not these is warned."""
    try:
        return outgoing(core, peer, theirs, context)
    except AuthError as error:
        core.monitor.warn(f"annotations stay here: {error}")
        return []


def _holding(
    new: Mapping[str, bytes], old: Mapping[str, bytes]
) -> tuple[list[RefUpdate], list[str]]:
    """The updates to what holds over the old; and the names of what is different and no annotation."""
    found, refused = [], []
    for name, value in new.items():
        before = old.get(name)
        if value == before:
            continue
        if subject_of(name) is None or not is_whole(value):
            refused.append(name)
        elif is_greater(value, before):
            found.append(RefUpdate(name, before, value))
    return found, refused


def _version_of(update: RefUpdate) -> VersionId:
    subject = subject_of(update.name)
    assert subject is not None  # it was looked at before
    return subject[0]


def _known(updates: Sequence[RefUpdate], has: _Has) -> set[VersionId]:
    ids = sorted({_version_of(update) for update in updates})
    return {id for id, found in zip(ids, has(ids), strict=True) if found} if ids else set()


def _batches(updates: Sequence[RefUpdate], most: int) -> Iterator[list[RefUpdate]]:
    batch: list[RefUpdate] = []
    size = 0
    for update in updates:
        more = len(update.name) + len(update.expect or b"") + len(update.target or b"") + 32
        if batch and (len(batch) == most or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(update)
        size += more
    if batch:
        yield batch
