"""Chunks that rest on others, decoded from the whole one upwards in buffers that are used again.

Each level needs a record, and what lies below it decoded. Made anew each time, blocks of a few hundred KiB go
back to the system between two uses, unless the program has told the C library otherwise: reading BF16 weights
three levels deep so took 235 page faults a chunk, and 1.4 times the CPU time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mvcd.codec.decode import decode, decode_into
from mvcd.errors import CorruptObject
from mvcd.ids import Bytes, Digest
from mvcd.store.pack import PackBytes
from mvcd.store.record import BadRecord, parse_record
from mvcd.store.rows import ObjectLocation

KEPT_SETS: Final = 4
"""Sets of buffers that are kept, 0.8 MiB each for tensors: more threads than cores read no faster."""

Link = tuple[Digest, ObjectLocation]
"""An object and where it rests."""


class _Room:
    """Buffers for one who decodes: for records, and two for what they decode to, used in turn."""

    def __init__(self) -> None:
        self._buffers = [bytearray(), bytearray(), bytearray()]

    def record(self, size: int) -> memoryview:
        return self._take(0, size)

    def level(self, number: int, size: int) -> memoryview:
        return self._take(1 + number % 2, size)

    def _take(self, place: int, size: int) -> memoryview:
        if len(self._buffers[place]) < size:
            self._buffers[place] = bytearray(size)
        return memoryview(self._buffers[place])[:size]


class Levels:
    """Decodes chains. Thread-safe."""

    def __init__(self, packs: PackBytes) -> None:
        self._packs = packs
        self._rooms: list[_Room] = []

    def decode(self, chain: Sequence[Link]) -> bytes | None:
        """The raw bytes of the first of a chain, each of which rests on the next; its digest is not checked.
        None where one is not as its row says, damaged or gone."""
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room()
        try:
            return self._decode(room, chain)
        except (BadRecord, CorruptObject, OSError):
            return None
        finally:
            if len(self._rooms) < KEPT_SETS:
                self._rooms.append(room)

    def _decode(self, room: _Room, chain: Sequence[Link]) -> bytes | None:
        base: Bytes | None = None
        for number in reversed(range(len(chain))):
            id, at = chain[number]
            data = room.record(at.size)
            if not self._packs.read_into(data, (at.pack, at.offset, at.size)):
                return None
            record = parse_record(data, check_crc=False)
            if not at.tells_of(id, record):
                return None
            if number == 0:
                return decode(record.encoded(), base)
            out = room.level(number, at.raw_size)
            decode_into(record.encoded(), out, base)
            base = out
        return None
