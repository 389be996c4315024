"""Reading a header from front to back: few reads, none past a limit."""

from __future__ import annotations

import struct

from mvcd.inspect.spans import NotThisFormat, ReadAt

_WINDOW_BYTES = 64 << 10
"""Bytes read ahead; about a chunk of a stored file."""


class EndsEarly(NotThisFormat):
    """The file is shorter than the reader was told."""


class Cursor:
    """A position in bytes `start` to `end` of a file. Every method raises NotThisFormat where those end."""

    def __init__(self, read_at: ReadAt, start: int, end: int, order: str = "<") -> None:
        """`order` of the bytes of its numbers, as `struct` spells it."""
        self.order = order
        self.steps = 0  # counted by readers whose work must have an end
        self._read_at = read_at
        self._end = end
        self._base = start  # of the window
        self._window = b""
        self._inside = 0

    @property
    def at(self) -> int:
        return self._base + self._inside

    @property
    def left(self) -> int:
        return self._end - self.at

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; the caller bounds it."""
        end = self._inside + size
        if end > len(self._window):
            self._fill(size)
            end = size
        data = self._window[self._inside : end]
        self._inside = end
        return data

    def skip(self, size: int) -> None:
        if size > self.left:
            raise NotThisFormat("a length reaches past the end")
        if self._inside + size <= len(self._window):
            self._inside += size
        else:
            self._base, self._window, self._inside = self.at + size, b"", 0

    def number(self, form: str) -> int:
        """A whole number in `struct`'s letters."""
        return int(self.real(form))

    def real(self, form: str) -> int | float:
        """A number of any kind in `struct`'s letters."""
        form = self.order + form
        value: int | float = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def varint(self) -> int:
        """At most 64 bits, as protobuf and LevelDB write them."""
        value = shift = 0
        while shift < 64:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
            shift += 7
        raise NotThisFormat("a number of more than 64 bits")

    def _fill(self, size: int) -> None:
        at = self.at
        if size > self._end - at:
            raise NotThisFormat("a length reaches past the end")
        self._window = self._read_at(at, min(max(size, _WINDOW_BYTES), self._end - at))
        self._base, self._inside = at, 0
        if len(self._window) < size:
            raise EndsEarly("the file ends early")
