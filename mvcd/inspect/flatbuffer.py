"""Flatbuffers without their schema: tables, vectors and texts by the number of their field (flatbuffers.dev).

For models too large for memory, of which we want a few tables: only these are read, by pages.
"""

from __future__ import annotations

import struct

from mvcd.inspect.spans import NotThisFormat, ReadAt

_PAGE_BYTES = 64 << 10
_KEPT_PAGES = 64
_MAX_VALUES = 8_000_000
"""Numbers and texts that are read of one file: some seconds."""


class Buffer:
    """A file of flatbuffers, read at random. Every method raises NotThisFormat past its end."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self.size = size
        self._read_at = read_at
        self._pages: dict[int, bytes] = {}
        self._reads = 0

    def take(self, at: int, count: int) -> bytes:
        """The caller bounds `count`."""
        self._reads += 1
        if self._reads > _MAX_VALUES:
            raise NotThisFormat("too many values")
        if not 0 <= at <= self.size - count:
            raise NotThisFormat("a place past the end")
        page, inside = divmod(at, _PAGE_BYTES)
        if inside + count > _PAGE_BYTES:
            data = self._read_at(at, count)
        else:
            data = self._page(page)[inside : inside + count]
        if len(data) != count:
            raise NotThisFormat("the file ends early")
        return data

    def number(self, at: int, form: str) -> int:
        (value,) = struct.unpack("<" + form, self.take(at, struct.calcsize(form)))
        return int(value)

    def root(self) -> FlatTable:
        return FlatTable(self, self.number(0, "I"))

    def _page(self, page: int) -> bytes:
        if page not in self._pages:
            if len(self._pages) >= _KEPT_PAGES:
                self._pages.clear()
            start = page * _PAGE_BYTES
            self._pages[page] = self._read_at(start, min(_PAGE_BYTES, self.size - start))
        return self._pages[page]


class FlatTable:
    """Fields by their number in the schema, from 0."""

    def __init__(self, buffer: Buffer, at: int) -> None:
        self._buffer = buffer
        self._at = at
        self._slots = at - buffer.number(at, "i")
        self._slots_bytes = buffer.number(self._slots, "H")

    def number(self, field: int, form: str, default: int = 0) -> int:
        place = self._place(field)
        return default if place is None else self._buffer.number(place, form)

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Where its elements of `width` bytes begin, and how many there are; none where the field is absent."""
        target = self._target(field)
        if target is None:
            return 0, 0
        count = self._buffer.number(target, "I")
        if count * width > self._buffer.size - target - 4:
            raise NotThisFormat("a vector past the end")
        return target + 4, count

    def numbers(self, field: int, form: str, most: int) -> tuple[int, ...]:
        """A vector of numbers, of which there are at most `most`."""
        start, count = self.vector(field, struct.calcsize(form))
        if count > most:
            raise NotThisFormat("a vector too long")
        data = self._buffer.take(start, count * struct.calcsize(form)) if count else b""
        return struct.unpack(f"<{count}{form}", data)

    def tables(self, field: int, most: int) -> list[FlatTable]:
        """A vector of at most `most` tables."""
        start, count = self.vector(field, 4)
        if count > most:
            raise NotThisFormat("a vector too long")
        places = range(start, start + 4 * count, 4)
        return [FlatTable(self._buffer, at + self._buffer.number(at, "I")) for at in places]

    def table(self, field: int) -> FlatTable | None:
        target = self._target(field)
        return None if target is None else FlatTable(self._buffer, target)

    def text(self, field: int, most: int) -> str:
        """At most `most` bytes of UTF-8."""
        start, count = self.vector(field, 1)
        if count > most:
            raise NotThisFormat("a text too long")
        return self._buffer.take(start, count).decode("utf-8", "replace") if count else ""

    def raw(self, field: int, width: int, most: int) -> bytes:
        """The bytes of a vector; its beginning where it is longer than `most`."""
        start, count = self.vector(field, width)
        return self._buffer.take(start, min(count * width, most)) if count else b""

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._slots_bytes:
            return None
        offset = self._buffer.number(self._slots + slot, "H")
        return self._at + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self._buffer.number(place, "I")
