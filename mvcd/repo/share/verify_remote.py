"""Whether a remote holds what its refs reach: walked with what is known of them here, asked there.

Refs that were never fetched cannot be walked; they are counted. With `read_data` every object is sent and
re-hashed, which is a whole clone's worth of bytes and leaves nothing here.
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
from mvcd.repo.core.core import Core
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import version_named
from mvcd.repo.share.fetching import connected
from mvcd.repo.trust.receiving import shared
from mvcd.store.frames import check_frame
from mvcd.store.peer import Peer
from mvcd.store.reader import MAX_DELTA_LEVELS
from mvcd.sync.walk import difference

_ASKED_OBJECTS = 16 << 10
_READ_OBJECTS = 512
MAX_NAMED_FILES = 1000


@dataclass(slots=True)
class RemoteReport:
    """`unknown`: refs there whose versions are not here. Broken objects are named like "chunk 1f2e..."."""

    remote: str
    url: str
    refs: int = 0
    unknown: int = 0
    versions: int = 0
    objects: int = 0
    bytes: int = 0  # raw, re-hashed
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.missing or self.damaged)


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
            for ids in _batches(core, known, report, marked_by(refs)):
                _check(core, peer, ids, report, read_data=read_data)
        finally:
            core.monitor.finish()
    return report


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
    core: Core, peer: Peer, ids: list[Digest], report: RemoteReport, *, read_data: bool
) -> None:
    there = peer.has(ids)
    report.objects += len(ids)
    present = [id for id, found in zip(ids, there, strict=True) if found]
    report.missing += [_name(id) for id, found in zip(ids, there, strict=True) if not found]
    del report.missing[MAX_NAMED_FILES:]
    if not read_data:
        core.monitor.advance(items_done=len(ids))
        return
    for start in range(0, len(present), _READ_OBJECTS):
        _read(core, peer, present[start : start + _READ_OBJECTS], report)


def _read(core: Core, peer: Peer, ids: list[Digest], report: RemoteReport) -> None:
    """Has objects sent and re-hashes them; a bad frame is looked at object by object."""

    try:
        for frame in peer.records(ids):
            raw = sum(len(one.raw) for one in check_frame(frame, partial(_base, core, peer)))
            report.bytes += raw
            core.monitor.advance(bytes_done=raw, bytes_new=0)
    except (CorruptObject, MissingObject, UsageError):
        if len(ids) == 1:
            report.damaged.append(_name(ids[0]))
            del report.damaged[MAX_NAMED_FILES:]
            return
        middle = len(ids) // 2
        _read(core, peer, ids[:middle], report)
        _read(core, peer, ids[middle:], report)


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
