"""Whether a remote holds what its refs reach: walked with what is known of them here, asked there.

Refs that were never fetched cannot be walked; they are counted. In a bucket, which nobody looks after, its
objects are looked at too: that each is there, as long as it should be. With `read_data` every object is sent
and re-hashed, which is a whole clone's worth of bytes and leaves nothing here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from mvcd.errors import CorruptObject, MissingObject, UsageError
from mvcd.ids import ChunkId, Digest, VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.repo.core import remotes
from mvcd.repo.core.connecting import store_of
from mvcd.repo.core.core import Core
from mvcd.repo.core.remotes import Remote
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import version_named
from mvcd.repo.records.results import Harm
from mvcd.repo.share.fetching import connected
from mvcd.repo.trust.harms import LinkWalker
from mvcd.repo.trust.receiving import shared
from mvcd.store.frames import check_frame
from mvcd.store.peer import Peer
from mvcd.store.record import MAX_DELTA_LEVELS
from mvcd.store.reports import Damage
from mvcd.sync.walk import difference
from mvcd.wire.schemes import Carrier, scheme_of

_ASKED_OBJECTS = 16 << 10
_READ_OBJECTS = 512
MAX_NAMED_FILES = 1000


@dataclass(slots=True)
class RemoteReport:
    """`unknown`: refs there whose versions are not here. Broken objects are named like "chunk 1f2e...", and
    what is wrong with a bucket's own objects like "pack: it is gone, packs/1f2e..."."""

    remote: str
    url: str
    refs: int = 0
    unknown: int = 0
    versions: int = 0
    objects: int = 0
    bytes: int = 0  # raw, re-hashed
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hurts: tuple[Harm, ...] = ()  # files that cannot be read from there, newest versions first

    @property
    def ok(self) -> bool:
        return not (self.missing or self.damaged or self.broken)


def verify_remote(core: Core, name: str | None = None, *, read_data: bool = False) -> RemoteReport:
    """Asks a remote for all that its refs reach, as far as it can be walked here."""
    found = remotes.remote(core.config, name)
    report = RemoteReport(found.name, found.url)
    with connected(core, [found]) as (peer,):
        refs = {ref: value for ref, value in peer.refs().items() if shared(ref)}
        report.refs = len(refs)
        named = [version_named(ref, value) for ref, value in refs.items()]
        heads = list(dict.fromkeys(id for id in named if id is not None))
        here = core.store.has(heads)
        report.unknown = here.count(False)
        known = [id for id, found in zip(heads, here, strict=True) if found]
        core.monitor.begin("verify")
        try:
            lost = _looked_at(core, found, report)
            for ids in _batches(core, known, report, marked_by(refs)):
                lost |= _check(core, peer, ids, report, lost, read_data=read_data)
            report.hurts = _hurt(core, known, lost)
        finally:
            core.monitor.finish()
    return report


def _looked_at(core: Core, remote: Remote, report: RemoteReport) -> set[Digest]:
    """What a bucket's own check finds of its objects, and which of ours these have lost."""
    if scheme_of(remote.url).carrier is not Carrier.BUCKET:
        return set()
    with store_of(remote, core.secret, core.monitor.warn) as store:
        found = list(store.check(read_data=False))
    report.broken += [f"{one.problem}, {one.where}" for one in found if one.id is None]
    return {one.id for one in found if one.id is not None}


def _hurt(core: Core, heads: Sequence[VersionId], lost: Collection[Digest]) -> tuple[Harm, ...]:
    """Files of the versions before `heads` that need one of the `lost`, told by what is here."""
    if not lost:
        return ()
    walker = LinkWalker(core.store, [Damage(id, "", "") for id in lost], elsewhere=True)
    walker.walk(heads)
    harms = {harm for id in lost for harm in walker.harms(id)}
    return tuple(sorted(harms, key=lambda harm: (-harm.number, harm.version, harm.path)))


def _batches(
    core: Core, heads: Sequence[VersionId], report: RemoteReport, pruned: Collection[VersionId]
) -> Iterator[list[Digest]]:
    """All that is reached and can be walked here, but for what was pruned there."""
    versions = list(between(heads, (), lambda id: Version.decode(core.store.get(id))))
    report.versions = len(versions)
    hollow = set(pruned) - set(heads)  # what a ref points to is whole
    leave = Wanted().left_out(versions[::-1], heads, core.store.get, hollow)
    for group in difference(versions, (), _Here(core), _Here(core), leave=leave):
        for start in range(0, len(group), _ASKED_OBJECTS):
            yield group[start : start + _ASKED_OBJECTS]


class _Here:
    """What is here; what is absent by choice is passed over."""

    def __init__(self, core: Core) -> None:
        self._store = core.store

    def __call__(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return self._store.get_many(ids)


def _check(
    core: Core,
    peer: Peer,
    ids: list[Digest],
    report: RemoteReport,
    lost: Collection[Digest],
    *,
    read_data: bool,
) -> set[Digest]:
    """Returns those that are missing, as the `lost` are, or have wrong bytes."""
    report.objects += len(ids)
    there = zip(ids, peer.has(ids), strict=True)
    present = [id for id, found in there if found and id not in lost]
    missing = list(dict.fromkeys(ids).keys() - set(present))
    report.missing += map(_name, missing)
    del report.missing[MAX_NAMED_FILES:]
    bad = set(missing)
    if not read_data:
        core.monitor.advance(items_done=len(ids))
        return bad
    for start in range(0, len(present), _READ_OBJECTS):
        bad.update(_read(core, peer, present[start : start + _READ_OBJECTS], report))
    return bad


def _read(core: Core, peer: Peer, ids: list[Digest], report: RemoteReport) -> list[Digest]:
    """Has objects sent and re-hashes them; a bad frame is looked at object by object. Returns those with wrong
    bytes."""

    try:
        for frame in peer.records(ids):
            raw = sum(len(one.raw) for one in check_frame(frame, partial(_base, core, peer)))
            report.bytes += raw
            core.monitor.advance(bytes_done=raw, bytes_new=0)
    except (CorruptObject, MissingObject, UsageError):
        if len(ids) == 1:
            report.damaged.append(_name(ids[0]))
            del report.damaged[MAX_NAMED_FILES:]
            return ids
        middle = len(ids) // 2
        first = _read(core, peer, ids[:middle], report)
        return [*first, *_read(core, peer, ids[middle:], report)]
    return []


def _base(core: Core, peer: Peer, id: ChunkId, levels: int = MAX_DELTA_LEVELS) -> bytes:
    """What a difference there rests on: stored otherwise here, it may rest on what is not here."""
    with suppress(MissingObject):
        return core.store.get(id)
    if not levels:
        raise CorruptObject("a chain of deltas does not end")
    further = partial(_base, core, peer, levels=levels - 1)
    for frame in peer.records([id]):
        for found in check_frame(frame, further):
            return found.raw
    raise MissingObject(f"its base {id.short()} is not there")


def _name(id: Digest) -> str:
    return f"{id.kind.name.lower()} {id.hex()}"
