"""Uploads by Xet into one repository: xorbs come, shards make files of them, chunks are asked for (XET.md)."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from mvcd.hub.spool import SpoolWriter
from mvcd.hub.xetbuild import ContentReader, Examined, XetBuilder, XetLost
from mvcd.hub.xetnotes import XetNotes
from mvcd.hub.xetshard import ShardFile, known_chunks_shard, shard_files
from mvcd.hub.xetshelf import XetShelf
from mvcd.hub.xettable import XetTable
from mvcd.hub.xetxorb import Xorb, read_xorb

ANSWER_SECONDS = 21 * 24 * 3600
"""Seconds that a client may rely on an answer, as long as it keeps what it sent itself. When what it relies
on is lost before, the era ends, and with it all answers."""
SWEEP_SECONDS = 3600.0
MAX_ANSWER_CHUNKS = 128 << 10
"""Chunks that an answer lists: 8 GiB of content in 6 MB. Of a larger file a client asks again further on."""
MAX_LOOKUPS = 1000
"""Contents that are looked for at once: where a xorb has many small files, an answer lists fewer of them."""
MAX_SESSIONS = 256
MAX_HERE_XORBS = 4096

log = logging.getLogger("mvcd.hub")


class UploadedContents(ContentReader, Protocol):
    """Contents by their SHA-256, and where new ones go."""

    def put(self, sha256: str, size: int) -> SpoolWriter: ...


@dataclass
class XetGate:
    """What a server remembers of a repository between requests."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    era: bytes = b""
    swept: float = 0.0
    sessions: OrderedDict[str, None] = field(default_factory=OrderedDict)
    here: dict[bytes, float] = field(default_factory=dict)
    """When a xorb was last seen to be here, in seconds since 1970."""

    def is_first(self, session: str) -> bool:
        """Whether this is asked for the first time of this session of a client, of the last `MAX_SESSIONS`."""
        with self.lock:
            first = session not in self.sessions
            self.sessions[session] = None
            if len(self.sessions) > MAX_SESSIONS:
                self.sessions.popitem(last=False)
            return first


class XetUploads:
    """One repository's, for one request. `clock` tells seconds since 1970; `system_start` names the run of the
    system, b"" where it does not tell."""

    def __init__(
        self,
        gate: XetGate,
        table: XetTable,
        shelf: XetShelf,
        contents: UploadedContents,
        system_start: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gate = gate
        self._table = table
        self._shelf = shelf
        self._contents = contents
        self._system_start = system_start
        self._clock = clock

    def era(self) -> str:
        """Names, in hex, what clients may rely on: who finds another name relies on nothing from before."""
        with self._gate.lock:
            self._sweep()
            return self._gate.era.hex()

    def add_xorb(self, name: bytes, file: BinaryIO, size: int) -> bool:
        """Takes a body of `size` bytes that lies in a file of the shelf; False when the xorb is here already.

        Raises UsageError(kind="xet-xorb"), Failure(kind="too-many-uploads").
        """
        file.seek(0)
        xorb = read_xorb(file, size, name)
        with self._gate.lock:
            known = self._table.xorb(name)
            if known is not None and self._is_here(name, known, {}):
                return False
            self._shelf.require_waiting_room(size)
            self._table.add_xorb(name, xorb)  # the bytes of each upload of a xorb may differ
            self._shelf.put(name, file)
        return True

    def add_shard(self, shard: memoryview) -> None:
        """Makes the files of a shard; their contents wait for a commit then. None is made of a shard that is
        not true.

        Raises UsageError(kind="xet-shard"), XetLost, and what writing contents raises.
        """
        try:
            with XetBuilder(self._table, self._shelf, self._contents) as builder:
                for file in shard_files(shard):
                    builder.check(file)
                used: dict[bytes, None] = {}
                made: set[bytes] = set()
                notes = XetNotes(self._table, self._gate.lock)
                for file in shard_files(shard):
                    found = self._made(file, builder)
                    notes.add(file, found)
                    used |= found.xorbs
                    made.add(file.sha256)
                notes.write()
                self._drop_bodies(used, made)
        except XetLost as lost:
            log.warning("xet: %s: %s", lost, lost.cause)
            with self._gate.lock:
                self._end_era(lost.xorb)
            raise

    def known_chunks(self, chunk: bytes, session: str) -> bytes | None:
        """The shard that lists the chunks of the file with this one, as far as they are here; None when there
        are none. To the first question of a client's session that names no chunk known the answer is what
        came last: a checkpoint whose header tells the step begins with a chunk of its own, and goes on as the
        one before.
        """
        names = self._table.xorbs_of_file_with(chunk)
        if not names and self._gate.is_first(session):
            names = self._table.recent_xorbs()
        here: list[tuple[bytes, Xorb]] = []
        there: dict[bytes, bool] = {}
        chunks = 0
        for name in names:
            xorb = self._table.xorb(name)
            if xorb is not None and self._was_here(name, xorb, there):
                chunks += len(xorb)
                if here and (chunks > MAX_ANSWER_CHUNKS or len(there) > MAX_LOOKUPS):
                    break
                here.append((name, xorb))
        now = int(self._clock())
        return known_chunks_shard(here, now, now + ANSWER_SECONDS) if here else None

    # ------------------------------------------------------------------ files

    def _made(self, file: ShardFile, builder: XetBuilder) -> Examined:
        found = builder.examine(file)
        if not found.placed:
            with self._contents.put(file.sha256.hex(), found.size) as writer:
                for data in builder.pieces(file):
                    writer.write(data)
                writer.finish()
        return found

    def _drop_bodies(self, used: Iterable[bytes], made: Collection[bytes]) -> None:
        """Drops bodies of xorbs whose bytes are all in contents; those in `made` have just been made."""
        there = dict.fromkeys(made, True)
        for name in used:
            if not self._shelf.has(name, keep=False):
                continue
            xorb = self._table.xorb(name)
            if xorb is not None and self._is_placed(name, xorb, there):
                self._shelf.drop(name)

    # ------------------------------------------------------------------ what is here

    def _was_here(self, name: bytes, xorb: Xorb, there: dict[bytes, bool]) -> bool:
        """Whether the xorb can be read, or could be shortly before: a client asks for each file of a folder."""
        now = self._clock()
        if self._gate.here.get(name, 0.0) + SWEEP_SECONDS > now:
            return True
        if not self._is_here(name, xorb, there):
            return False
        if len(self._gate.here) >= MAX_HERE_XORBS:
            self._gate.here.clear()
        self._gate.here[name] = now
        return True

    def _is_here(
        self, name: bytes, xorb: Xorb, there: dict[bytes, bool], *, keep: bool = True
    ) -> bool:
        """Whether the xorb can be read; what waits does so anew, unless not `keep`."""
        return self._shelf.has(name, keep=keep) or self._is_placed(name, xorb, there, keep=keep)

    def _is_placed(
        self, name: bytes, xorb: Xorb, there: dict[bytes, bool], *, keep: bool = True
    ) -> bool:
        """Whether every chunk lies in a content that is here. `there` has the answers for some contents, and
        gets more: each takes 2 ms."""
        covered = bytearray(len(xorb))
        for run in reversed(self._table.runs(name)):
            if 0 not in covered[run.start : run.end]:
                continue
            if run.sha256 not in there:
                there[run.sha256] = self._contents.has(run.sha256.hex(), keep=keep)
            if there[run.sha256]:
                covered[run.start : run.end] = b"\1" * (run.end - run.start)
        return 0 not in covered

    def _sweep(self) -> None:
        """Finds out, once in a server's life, what is still to be relied on; drops what waited too long."""
        if not self._gate.era:
            self._gate.era, goes_on = self._table.era(self._system_start)
            if not goes_on:
                self._shelf.drop_all()  # may be torn
        now = self._clock()
        if now - self._gate.swept >= SWEEP_SECONDS:
            self._gate.swept = now
            lost = {*self._shelf.too_old(), *self._gone()}
            if lost:
                self._end_era(*lost)

    def _gone(self) -> Iterator[bytes]:
        """Those of the last xorbs whose files nobody committed, or are pruned: clients would count on them."""
        there: dict[bytes, bool] = {}
        for name in self._table.recent_xorbs():
            xorb = self._table.xorb(name)
            if len(there) > MAX_LOOKUPS:
                return
            if xorb is not None and not self._is_here(name, xorb, there, keep=False):
                yield name

    def _end_era(self, *lost: bytes) -> None:
        for name in lost:
            self._shelf.drop(name)
            self._table.drop_xorb(name)
        self._gate.here.clear()
        self._gate.era = self._table.begin_era(self._system_start)
