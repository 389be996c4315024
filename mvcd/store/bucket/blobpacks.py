"""Reads packs of a bucket by ranges, for the reader that reads pack files of a disk (reader.py).

A request costs as much as a megabyte or more, so ranges are read in aligned blocks: alone where objects lie
scattered, many at once where reading goes forward. Ranges stay in memory for a while, for what comes next in a
pack is mostly wanted next; several threads that need the same block wait for one request. Who knows what it
will read next says so (`begin`), and that comes while it works on what it has.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from mvcd.errors import IntegrityError
from mvcd.store.bucket.blobs import BlobAbsent, Blobs
from mvcd.store.bucket.bucketstate import PACKS
from mvcd.store.bucket.indexrun import NamedPack
from mvcd.store.bucket.workers import Workers
from mvcd.store.pack import Stretch

BLOCK_BYTES = 256 << 10
MAX_RANGE_BLOCKS = 16
"""Blocks of one range, 4 MiB: what a bucket gives at its full rate (a range of 1 MiB has a third less). No
range goes over a multiple of so many, for Ceph keeps each 4 MiB of an object in a place of their own."""
GAP_BLOCKS = 1
"""Blocks that nobody asked for and that are read all the same, between two that are wanted."""
SMALL_PACK_BLOCKS = 4
"""Blocks of a pack that is read whole at once."""
KEPT_BLOCKS = 384
"""Blocks in memory: 96 MiB, for four readers that go forward at once and what is begun for each."""
MAX_STREAMS = 8
"""Ranges that are read at once."""

_Key = tuple[int, int]


@dataclass(eq=False, slots=True)
class _Range:
    """Blocks in a row of one pack, to be had when they have come."""

    pack: int
    first: int
    end: int  # the number after its last block
    data: Future[bytes] = field(default_factory=Future)
    unread: bool = False  # begun for who has not come yet

    def __len__(self) -> int:
        return self.end - self.first

    def part(self, start: int, end: int) -> memoryview:
        """Its bytes between two offsets in the pack, once they have come; fewer where the pack ends before."""
        at = self.first * BLOCK_BYTES
        return memoryview(self.data.result())[max(0, start - at) : max(0, end - at)]


class BlobPacks:
    """The interface of `PackFiles` over objects. Thread-safe.

    `named` tells which object the pack of a number is; `held` gives the records that are here already, by pack
    and offset; `lost` is called when a pack is gone, so that whoever looked it up looks again.
    """

    def __init__(
        self,
        blobs: Blobs,
        named: Callable[[int], NamedPack],
        held: Callable[[Sequence[Stretch]], dict[tuple[int, int], bytes]],
        lost: Callable[[], object],
    ) -> None:
        self._blobs = blobs
        self._named = named
        self._held = held
        self._lost = lost
        self.kept_blocks = KEPT_BLOCKS
        self._workers = Workers(MAX_STREAMS, "mvc-bucket-range")
        # Its threads end with it though nobody closes it; a program that ends does not wait for them.
        self._closing = weakref.finalize(self, self._workers.close)
        self._closing.atexit = False
        self._lock = threading.Lock()
        self._ranges: OrderedDict[_Range, None] = OrderedDict()  # those used last at the end
        self._at: dict[_Key, _Range] = {}
        self._ahead: dict[int, tuple[int, int]] = {}
        self._gone: set[int] = set()

    def read(self, stretches: Sequence[Stretch]) -> bytes:
        """One after another; ends where a pack ends before its stretch does. Raises FileNotFoundError."""
        held = self._held(stretches)
        ranges = self._ranges_of([one for one in stretches if one[:2] not in held])
        parts: list[bytes | memoryview] = []
        for pack, offset, size in stretches:
            known = held.get((pack, offset))
            if known is not None:
                parts.append(known[:size])
                continue
            at, end = offset, offset + size
            while at < end:
                found = ranges[pack, at // BLOCK_BYTES]
                parts.append(found.part(at, end))
                at = found.end * BLOCK_BYTES
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def begin(self, stretches: Sequence[Stretch]) -> None:
        """Begins to read what `read` will be asked for soon, as far as there is room for it. What keeps it from
        that is told by `read`."""
        with self._lock:
            room = self.kept_blocks // 2 - sum(len(one) for one in self._ranges if one.unread)
            begun = []
            for pack, numbers in _blocks(stretches).items():
                missing = sorted(n for n in numbers if (pack, n) not in self._at)
                if missing and len(missing) <= room:
                    room -= len(missing)
                    begun += self._place(pack, missing)
            for one in begun:
                one.unread = True
        for one in begun:
            self._workers.submit(partial(self._fetch, one))

    def read_into(self, out: memoryview, stretch: Stretch) -> bool:
        """Whether a pack has all of a stretch, which is in `out` then. Raises FileNotFoundError."""
        data = self.read([stretch])
        if len(data) != stretch[2]:
            return False
        out[: len(data)] = data
        return True

    def forget(self, number: int) -> None:
        """Called by who found there something else than the index says: reads it anew. If the pack is gone, the
        index is brought up to date."""
        with self._lock:
            for one in [one for one in self._ranges if one.pack == number]:
                self._drop(one)
            gone = number in self._gone
        if gone:
            self._lost()

    def close(self) -> None:
        with self._lock:
            self._ranges.clear()
            self._at.clear()
        self._closing()

    # ------------------------------------------------------------------ inside

    def _ranges_of(self, stretches: Sequence[Stretch]) -> dict[_Key, _Range]:
        """The ranges in which the blocks of these stretches are, or will be."""
        found: dict[_Key, _Range] = {}
        mine: list[_Range] = []
        with self._lock:
            for pack, numbers in _blocks(stretches).items():
                if missing := sorted(n for n in numbers if (pack, n) not in self._at):
                    mine += self._place(pack, missing)
                found |= {(pack, n): self._at[pack, n] for n in numbers}
            for one in dict.fromkeys(found.values()):
                one.unread = False
                self._ranges.move_to_end(one)
            blocks = sum(map(len, self._ranges))
            while blocks > self.kept_blocks and len(self._ranges) > 1:
                oldest = next(iter(self._ranges))
                blocks -= len(oldest)
                self._drop(oldest)
        # Before it waits for others, so that nobody waits in a circle.
        self._workers.map([partial(self._fetch, one) for one in mine])
        return found

    def _place(self, pack: int, missing: list[int]) -> list[_Range]:
        """Ranges that hold these blocks and perhaps those after them, for others to wait for. Called under the
        lock by who will fetch them."""
        count = -(-self._named(pack).size_bytes // BLOCK_BYTES)
        spans: list[tuple[int, int]] = []
        for number in missing:
            start, end = spans[-1] if spans else (number, number)
            joins = (
                number - end <= GAP_BLOCKS
                and number // MAX_RANGE_BLOCKS == start // MAX_RANGE_BLOCKS
            )
            if joins and spans and not any((pack, n) in self._at for n in range(end, number)):
                spans[-1] = (start, number + 1)
            else:
                spans.append((number, number + 1))
        start, end = spans[-1]
        spans[-1] = (start, self._extended(pack, missing[0], start, end, count))
        ranges = [_Range(pack, *span) for span in spans]
        for one in ranges:
            self._ranges[one] = None
            self._at.update(((pack, n), one) for n in range(one.first, one.end))
        return ranges

    def _extended(self, pack: int, first: int, start: int, end: int, count: int) -> int:
        """How far the last range goes: where reading goes forward, twice as far as the one before, or as far as
        what is wanted at once."""
        most = count
        if count > SMALL_PACK_BLOCKS:
            expected, size = self._ahead.get(pack, (-1, 1))
            forward = 0 <= expected <= first <= expected + MAX_RANGE_BLOCKS
            size = min(MAX_RANGE_BLOCKS, max(2 * size, end - first)) if forward else 1
            border = (start // MAX_RANGE_BLOCKS + 1) * MAX_RANGE_BLOCKS
            most = min(count, border, max(end, start + size))
            self._ahead[pack] = (most, size)
        while end < most and (pack, end) not in self._at:
            end += 1
        return end

    def _fetch(self, one: _Range) -> None:
        """Reads a range and hands it out, or what kept it from that."""
        hash, size_bytes = self._named(one.pack)
        name = PACKS + hash.hex()
        start, end = one.first * BLOCK_BYTES, min(size_bytes, one.end * BLOCK_BYTES)
        try:
            data = self._blobs.get_ranges(name, [(start, end)])[0] if start < end else b""
        except BlobAbsent:
            self._fail(one, FileNotFoundError(f"{name} is gone"), gone=True)
        except IntegrityError:
            self._fail(one, FileNotFoundError(f"{name} was cut off"))
        except BaseException as error:
            self._fail(one, error)
            if not isinstance(error, Exception):
                raise
        else:
            one.data.set_result(data)

    def _fail(self, one: _Range, failure: BaseException, *, gone: bool = False) -> None:
        """Whoever waits for it gets the failure; whoever comes later reads again."""
        with self._lock:
            if gone:
                self._gone.add(one.pack)
            self._drop(one)
        one.data.set_exception(failure)

    def _drop(self, one: _Range) -> None:
        """Keeps it no longer; who has it may still use it. Called under the lock."""
        if one in self._ranges:
            del self._ranges[one]
            for number in range(one.first, one.end):
                del self._at[one.pack, number]


def _blocks(stretches: Iterable[Stretch]) -> dict[int, set[int]]:
    """Numbers of the blocks in which stretches lie, by pack."""
    found: dict[int, set[int]] = {}
    for pack, offset, size in stretches:
        if size:
            last = (offset + size - 1) // BLOCK_BYTES
            found.setdefault(pack, set()).update(range(offset // BLOCK_BYTES, last + 1))
    return found
