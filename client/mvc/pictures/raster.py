"""A drawing as pixels, and pixels as a PNG file (W3C PNG, third edition; sections 5 and 9)."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from dataclasses import replace

from mvc.api.cells import columns
from mvc.pictures import font
from mvc.pictures.drawing import (
    PAPER,
    PITCH_PIXELS,
    Colour,
    Drawing,
    Label,
    Polyline,
    Rect,
    blend,
    text_width,
)

MAX_PIXELS = 64_000_000


def png(drawing: Drawing, scale: float = 1.0) -> bytes:
    """`scale`: pixels for each of the drawing's. Raises ValueError for more than MAX_PIXELS."""
    wide, high = round(drawing.width * scale), round(drawing.height * scale)
    if wide * high > MAX_PIXELS:
        raise ValueError(f"{wide} x {high} pixels are too many for a PNG")
    pixels = Pixels(wide, high)
    for shape in drawing.shapes:
        match shape:
            case Rect():
                sides = shape.x, shape.y, shape.width, shape.height
                left, top, width, height = (side * scale for side in sides)
                pixels.rect(left, top, width, height, shape.fill)
            case Polyline():
                points = [(x * scale, y * scale) for x, y in shape.points]
                for a, b in itertools.pairwise(points):
                    pixels.segment(a, b, shape.colour, shape.width * scale)
            case Label():
                size = max(1, round(shape.size * scale))
                pixels.text(replace(shape, x=shape.x * scale, y=shape.y * scale, size=size))
    return encode(pixels)


class Pixels:
    """Rows of three bytes a pixel."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.data = bytearray(bytes(PAPER) * (width * height))

    def rect(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        left, right = max(round(x), 0), min(round(x + width), self.width)
        top, bottom = max(round(y), 0), min(round(y + height), self.height)
        if left >= right:
            return
        row = bytes(colour) * (right - left)
        for line in range(top, bottom):
            start = 3 * (line * self.width + left)
            self.data[start : start + len(row)] = row

    def text(self, text: Label) -> None:
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
        x = text.x - shift * text_width(text.text, text.size)
        top = text.y - 7 * text.size
        for character in text.text:
            for at_column, bits in enumerate(font.columns(character)):
                for row in range(font.HEIGHT_PIXELS):
                    if bits >> row & 1:
                        at = x + at_column * text.size, top + row * text.size
                        self.rect(*at, text.size, text.size, text.colour)
            x += PITCH_PIXELS * text.size * columns(character)

    def segment(
        self, a: tuple[float, float], b: tuple[float, float], colour: Colour, width: float
    ) -> None:
        """A line with round ends: each pixel is covered by how near its centre is to it."""
        reach = width / 2 + 1
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = dx * dx + dy * dy
        for y in range(*self._between(a[1], b[1], reach, self.height)):
            for x in range(*self._row_span(a, b, y, reach)):
                px, py = x + 0.5 - a[0], y + 0.5 - a[1]
                along = min(1.0, max(0.0, (px * dx + py * dy) / length)) if length else 0.0
                distance = math.hypot(px - along * dx, py - along * dy)
                cover = min(1.0, max(0.0, width / 2 + 0.5 - distance))
                if cover:
                    self._mix(x, y, colour, cover)

    @staticmethod
    def _between(a: float, b: float, reach: float, limit: int) -> tuple[int, int]:
        return max(0, math.floor(min(a, b) - reach)), min(limit, math.ceil(max(a, b) + reach))

    def _row_span(
        self, a: tuple[float, float], b: tuple[float, float], y: int, reach: float
    ) -> tuple[int, int]:
        """Which pixels of a row a segment can touch, so that long lines cost their length, not their box."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        if abs(dy) < 1e-9:
            return self._between(a[0], b[0], reach, self.width)
        wide = reach * math.hypot(dx, dy) / abs(dy) + abs(dx / dy)
        middle = a[0] + (y + 0.5 - a[1]) * dx / dy
        low, high = self._between(a[0], b[0], reach, self.width)
        return max(low, math.floor(middle - wide)), min(high, math.ceil(middle + wide) + 1)

    def _mix(self, x: int, y: int, colour: Colour, cover: float) -> None:
        start = 3 * (y * self.width + x)
        below = self.data[start], self.data[start + 1], self.data[start + 2]
        self.data[start : start + 3] = bytes(blend(below, colour, cover))


def encode(pixels: Pixels) -> bytes:
    """8-bit RGB; a row like the one above is written as its difference to it (filter 2), which is nothing."""
    size = 3 * pixels.width
    rows = bytearray()
    above = bytearray(size)
    for start in range(0, len(pixels.data), size):
        row = pixels.data[start : start + size]
        if row == above:
            rows += b"\x02" + bytes(size)
        else:
            rows += b"\x00" + row
        above = row
    head = struct.pack(">IIBBBBB", pixels.width, pixels.height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
