"""Reads packs of a bucket by ranges, for the reader that reads pack files of a disk (reader.py).

A request costs as much as a megabyte or more, so ranges are read in aligned blocks: alone where objects lie
scattered, many at once where reading goes forward. Blocks stay in memory for a while, for what comes next in a
pack is mostly wanted next; several threads that need the same block wait for one request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from mvcd.errors import IntegrityError
from mvcd.store.bucket.blobs import BlobAbsent, Blobs
from mvcd.store.bucket.bucketstate import PACKS
from mvcd.store.bucket.indexrun import NamedPack
from mvcd.store.pack import Stretch

BLOCK_BYTES = 256 << 10
MAX_RANGE_BLOCKS = 16
"""Blocks of one range, 4 MiB: what a bucket gives at its full rate (a range of 1 MiB has a third less)."""
SMALL_PACK_BLOCKS = 4
"""Blocks of a pack that is read whole at once."""
KEPT_BLOCKS = 384
"""Blocks in memory: 96 MiB, for eight readers that go forward at once."""

_Key = tuple[int, int]


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
        self._lock = threading.Lock()
        self._blocks: OrderedDict[_Key, Future[bytes]] = OrderedDict()
        self._ahead: dict[int, tuple[int, int]] = {}
        self._gone: set[int] = set()

    def read(self, stretches: Sequence[Stretch]) -> bytes:
        """One after another; ends where a pack ends before its stretch does. Raises FileNotFoundError."""
        held = self._held(stretches)
        wanted = [stretch for stretch in stretches if stretch[:2] not in held]
        blocks = self._blocks_of(wanted)
        parts: list[bytes | memoryview] = []
        for pack, offset, size in stretches:
            known = held.get((pack, offset))
            if known is not None:
                parts.append(known[:size])
                continue
            end = offset + size
            for number in range(offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1 if size else 0):
                start = number * BLOCK_BYTES
                block = memoryview(blocks[pack, number])
                parts.append(block[max(0, offset - start) : end - start])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

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
            for key in [key for key in self._blocks if key[0] == number]:
                del self._blocks[key]
            gone = number in self._gone
        if gone:
            self._lost()

    def close(self) -> None:
        with self._lock:
            self._blocks.clear()

    # ------------------------------------------------------------------ inside

    def _blocks_of(self, stretches: Sequence[Stretch]) -> dict[_Key, bytes]:
        needed: dict[int, set[int]] = {}
        for pack, offset, size in stretches:
            if size:
                first, last = offset // BLOCK_BYTES, (offset + size - 1) // BLOCK_BYTES
                needed.setdefault(pack, set()).update(range(first, last + 1))
        found: dict[_Key, Future[bytes]] = {}
        mine: list[tuple[int, list[_Range]]] = []
        with self._lock:
            for pack, numbers in needed.items():
                known = {n for n in numbers if (pack, n) in self._blocks}
                for number in known:
                    self._blocks.move_to_end((pack, number))
                if missing := sorted(numbers - known):
                    mine.append((pack, self._begin(pack, missing)))
                found |= {(pack, n): self._blocks[pack, n] for n in numbers}
        for pack, ranges in mine:  # before waiting for others, so that nobody waits in a circle
            self._fetch(pack, ranges)
        blocks = {key: future.result() for key, future in found.items()}
        with self._lock:
            while len(self._blocks) > self.kept_blocks:
                self._blocks.popitem(last=False)
        return blocks

    def _begin(self, pack: int, missing: list[int]) -> list[_Range]:
        """Ranges that hold these blocks and perhaps those after them, in place for others to wait for. Called
        under the lock."""
        count = -(-self._named(pack).size_bytes // BLOCK_BYTES)
        spans: list[tuple[int, int]] = []
        for number in missing:
            if spans and number == spans[-1][1] and number - spans[-1][0] < MAX_RANGE_BLOCKS:
                spans[-1] = (spans[-1][0], number + 1)
            else:
                spans.append((number, number + 1))
        start, end = spans[-1]
        spans[-1] = (start, self._extended(pack, missing[0], start, end, count))
        ranges = [_Range(first, [Future() for _ in range(first, last)]) for first, last in spans]
        for one in ranges:
            self._blocks.update({(pack, n): f for n, f in enumerate(one.blocks, one.first)})
        return ranges

    def _extended(self, pack: int, first: int, start: int, end: int, count: int) -> int:
        """How far the last range goes: twice as far as the one before where reading goes forward."""
        most = count
        if count > SMALL_PACK_BLOCKS:
            expected, size = self._ahead.get(pack, (-1, 1))
            forward = 0 <= expected <= first <= expected + MAX_RANGE_BLOCKS
            size = min(MAX_RANGE_BLOCKS, 2 * size) if forward else 1
            most = min(count, max(end, start + size))
            self._ahead[pack] = (most, size)
        while end < most and (pack, end) not in self._blocks:
            end += 1
        return end

    def _fetch(self, pack: int, ranges: list[_Range]) -> None:
        """Reads ranges and hands out their blocks, or what kept it from that."""
        hash, size_bytes = self._named(pack)
        name = PACKS + hash.hex()
        spans = [(one.start, min(size_bytes, one.end)) for one in ranges]
        try:
            inside = [span for span in spans if span[0] < span[1]]
            parts = iter(self._blobs.get_ranges(name, inside) if inside else ())
            for one, (start, end) in zip(ranges, spans, strict=True):
                data = memoryview(next(parts) if start < end else b"")
                for number, future in enumerate(one.blocks):
                    at = number * BLOCK_BYTES
                    future.set_result(bytes(data[at : at + BLOCK_BYTES]))
        except BlobAbsent:
            with self._lock:
                self._gone.add(pack)
            self._fail(pack, ranges, FileNotFoundError(f"{name} is gone"))
        except IntegrityError:
            self._fail(pack, ranges, FileNotFoundError(f"{name} was cut off"))
        except BaseException as error:
            self._fail(pack, ranges, error)
            if not isinstance(error, Exception):
                raise

    def _fail(self, pack: int, ranges: list[_Range], failure: BaseException) -> None:
        """Whoever waits for them gets the failure; whoever comes later reads again."""
        with self._lock:
            for one in ranges:
                for number, future in enumerate(one.blocks, one.first):
                    if self._blocks.get((pack, number)) is future:
                        del self._blocks[pack, number]
                    if not future.done():
                        future.set_exception(failure)


@dataclass(frozen=True, slots=True)
class _Range:
    """Blocks in a row, each to be had when it has come."""

    first: int
    blocks: list[Future[bytes]]

    @property
    def start(self) -> int:
        """Bytes from the pack's beginning."""
        return self.first * BLOCK_BYTES

    @property
    def end(self) -> int:
        return (self.first + len(self.blocks)) * BLOCK_BYTES
