"""What is known of a repository's xorbs: rows of its store's cache, so all of it may be lost (XET.md, section
Rows).

    xet/era             16 random bytes that name what clients may rely on, and the start of the system
    xet/xorb/HASH       the chunks of a xorb (`Xorb.rows`)
    xet/runs/HASH       where its chunks lie in contents, 48 bytes a run, those that were noted last at the end
    xet/first/HASH      by the first chunk of a file: the xorbs of that file
    xet/asked/HASH      by another chunk that clients ask for: the first chunk of its file, and its xorb
    xet/recent          the xorbs of the files that came last
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from mvcd.hub.xethash import HASH_BYTES
from mvcd.hub.xetxorb import Xorb

ERA_BYTES = 16
MAX_PLACES = 2
"""Places that are remembered of each chunk: where one content was pruned, the other may be there."""
MAX_LISTED_XORBS = 4096
"""Xorbs that are remembered of a file: 256 GiB of content."""
MAX_RECENT_XORBS = 512

_RUN = struct.Struct("<II32sQ")


@dataclass(frozen=True, slots=True)
class Run:
    """Chunks `start` to before `end` of a xorb lie in the content with this SHA-256, from `offset` on."""

    start: int
    end: int
    sha256: bytes
    offset: int


class XetFile(Protocol):
    """What a file is found by: its first chunk, others that clients ask for with their xorbs; and all xorbs."""

    first: bytes
    asked: dict[bytes, bytes]
    xorbs: dict[bytes, None]


class XetRows(Protocol):
    """The part of a store that holds rows which may be lost."""

    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def cache_put(self, rows: Mapping[bytes, bytes | None]) -> None: ...


class XetTable:
    """The rows of one repository. Changes are for one thread at a time."""

    def __init__(self, rows: XetRows) -> None:
        self._rows = rows

    def era(self, system_start: bytes) -> tuple[bytes, bool]:
        """Names what clients may rely on, and says whether it goes on from before: not after a loss of rows,
        nor in another run of the system, which is named by `system_start`."""
        row = self._get(b"era")
        if row is not None and len(row) > ERA_BYTES and row[ERA_BYTES:] == system_start:
            return row[:ERA_BYTES], True
        return self.begin_era(system_start), False

    def begin_era(self, system_start: bytes) -> bytes:
        """From now on, what clients remember of before counts for nothing."""
        era = os.urandom(ERA_BYTES)
        self._rows.cache_put({_key(b"era"): era + system_start})
        return era

    def xorb(self, name: bytes) -> Xorb | None:
        row = self._get(b"xorb/" + name)
        return None if row is None else Xorb(row)

    def add_xorb(self, name: bytes, xorb: Xorb) -> None:
        self._rows.cache_put({_key(b"xorb/" + name): xorb.rows})

    def drop_xorb(self, name: bytes) -> None:
        self._rows.cache_put({_key(b"xorb/" + name): None, _key(b"runs/" + name): None})

    def runs(self, name: bytes) -> list[Run]:
        """Where chunks of the xorb lie, the places noted first at the front."""
        return [Run(*fields) for fields in _RUN.iter_unpack(self._get(b"runs/" + name) or b"")]

    def note(self, places: Mapping[bytes, Sequence[Run]], files: Sequence[XetFile]) -> None:
        """Remembers where chunks lie, of each chunk the last `MAX_PLACES`, and files for those who ask for
        their first chunk, or for another that clients ask for."""
        rows: dict[bytes, bytes | None] = {}
        for name, runs in places.items():
            kept = _layered([*self.runs(name), *runs])
            rows[_key(b"runs/" + name)] = b"".join(
                _RUN.pack(run.start, run.end, run.sha256, run.offset) for run in kept
            )
        recent = dict.fromkeys(self.recent_xorbs())
        for file in files:
            rows |= {_key(b"asked/" + c): file.first + xorb for c, xorb in file.asked.items()}
            xorbs = list(islice(file.xorbs, MAX_LISTED_XORBS))
            rows[_key(b"first/" + file.first)] = b"".join(xorbs)
            recent = dict.fromkeys(islice((*xorbs, *recent), MAX_RECENT_XORBS))
        if files:
            rows[_key(b"recent")] = b"".join(recent)
        self._rows.cache_put(rows)

    def xorbs_of_file_with(self, chunk: bytes) -> list[bytes]:
        """The xorbs of the last file that begins with the chunk, or has it elsewhere and clients ask for it.
        The one with the chunk comes first, then those after it, then those before it."""
        row = self._get(b"asked/" + chunk) or chunk
        first, own = row[:HASH_BYTES], row[HASH_BYTES:]
        names = self._hashes(b"first/" + first)
        at = names.index(own) if own in names else 0
        return names[at:] + names[:at]

    def recent_xorbs(self) -> list[bytes]:
        """The xorbs of the files that came last."""
        return self._hashes(b"recent")

    def _hashes(self, name: bytes) -> list[bytes]:
        row = self._get(name) or b""
        return [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]

    def _get(self, name: bytes) -> bytes | None:
        return self._rows.cache_get([_key(name)])[0]


def _key(name: bytes) -> bytes:
    return b"xet/" + name


def _layered(runs: Sequence[Run]) -> list[Run]:
    """Those that are among the last `MAX_PLACES` places of one of their chunks."""
    most = max(run.end for run in runs)
    layers = bytearray(most)
    kept: list[Run] = []
    for run in reversed(runs):
        part = layers[run.start : run.end]
        if min(part) < MAX_PLACES and run not in kept[-MAX_PLACES:]:
            layers[run.start : run.end] = bytes(min(MAX_PLACES, count + 1) for count in part)
            kept.append(run)
    return kept[::-1]
