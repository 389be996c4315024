"""A drawing as a PNG with the letters of a real font, by Pillow, which the extra `plots` brings.

Shapes are drawn three times as large and made smaller, which smooths their edges; letters are FreeType's. The
font is the one that Pillow brings, and for letters that it does not have one of this machine's that does.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from mvc.pictures.drawing import PAPER, Drawing, Label, Polyline, Rect

_SMOOTHING_TIMES = 3
_MAX_PIXELS = 20_000_000
"""Of the picture; while it is drawn it takes 27 bytes for each."""
_FALLBACKS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "DroidSansFallbackFull.ttf", "wqy-microhei.ttc",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc", "arial unicode.ttf", "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
)  # fmt: skip
"""Fonts with letters beyond Latin ones, as systems call their files."""
_NO_LETTER = "\U0010fffe"

Point = tuple[float, float]


def is_there() -> bool:
    """Whether Pillow is installed, of a version whose own font has any size: 10.1 or newer."""
    try:
        import PIL  # late: an extra
    except ImportError:
        return False
    major, minor = (int(part) for part in PIL.__version__.split(".")[:2])
    return (major, minor) >= (10, 1)


def png(drawing: Drawing, scale: float = 1.0) -> bytes:
    """`scale`: pixels for each of the drawing's. Raises ValueError for too large a picture."""
    from PIL import Image, ImageDraw  # late: an extra

    wide, high = round(drawing.width * scale), round(drawing.height * scale)
    if wide * high > _MAX_PIXELS:
        raise ValueError(f"{wide} x {high} pixels are too many for a PNG")
    large = Image.new("RGB", (wide * _SMOOTHING_TIMES, high * _SMOOTHING_TIMES), PAPER)
    brush = ImageDraw.Draw(large)
    for shape in drawing.shapes:
        if not isinstance(shape, Label):
            _draw(brush, shape, scale * _SMOOTHING_TIMES)
    image = large.reduce(_SMOOTHING_TIMES)
    brush = ImageDraw.Draw(image)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for shape in drawing.shapes:
        if isinstance(shape, Label) and shape.text:
            font = _font(10 * shape.size * scale, shape.text)
            place = shape.x * scale, shape.y * scale
            brush.text(
                place, shape.text, fill=shape.colour, font=font, anchor=anchors[shape.anchor]
            )
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


def _draw(brush: Any, shape: Rect | Polyline, scale: float) -> None:
    if isinstance(shape, Rect):
        right, bottom = shape.x + shape.width, shape.y + shape.height
        box = [round(side * scale) for side in (shape.x, shape.y, right, bottom)]
        if box[0] < box[2] and box[1] < box[3]:
            brush.rectangle([box[0], box[1], box[2] - 1, box[3] - 1], fill=shape.fill)
        return
    points = [(x * scale, y * scale) for x, y in shape.points]
    thick = shape.width * scale
    for run in _dashed(points, [length * scale for length in shape.dash]):
        brush.line(run, fill=shape.colour, width=max(1, round(thick)), joint="curve")
        if thick > 2 and not shape.dash:
            for x, y in (run[0], run[-1]):
                half = thick / 2
                brush.ellipse([x - half, y - half, x + half, y + half], fill=shape.colour)


def _dashed(points: Sequence[Point], pattern: Sequence[float]) -> Iterator[list[Point]]:
    """The pieces of a line that are drawn: lengths of `pattern` in turns drawn and not; all without one."""
    if not pattern:
        yield list(points)
        return
    index, left, drawn = 0, pattern[0], [points[0]]
    for start, end in itertools.pairwise(points):
        length, done = math.dist(start, end), 0.0
        while length - done > left:
            done += left
            share = done / length
            at = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            if index % 2 == 0:
                yield [*drawn, at]
            drawn = [at]
            index += 1
            left = pattern[index % len(pattern)]
        left -= length - done
        drawn.append(end)
    if index % 2 == 0 and len(drawn) > 1:
        yield drawn


# -------------------------------------------------------------------- fonts


def _font(size: float, text: str) -> Any:
    own = _own_font(size)
    if text.isascii() or _has(own, text):
        return own
    others = (_system_font(name, size) for name in _FALLBACKS)
    return next((font for font in others if font is not None and _has(font, text)), own)


@lru_cache(maxsize=16)
def _own_font(size: float) -> Any:
    from PIL import ImageFont  # late: an extra

    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _system_font(name: str, size: float) -> Any:
    from PIL import ImageFont  # late: an extra

    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _has(font: Any, text: str) -> bool:
    """A font shows one and the same box for every letter that it does not have."""
    missing = bytes(font.getmask(_NO_LETTER))
    return all(c.isspace() or bytes(font.getmask(c)) != missing for c in set(text))
