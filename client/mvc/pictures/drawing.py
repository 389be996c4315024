"""A picture as shapes, before it is pixels or SVG. Coordinates in pixels from the top left corner.

Text is set in a fixed pitch (`text_width`), so both forms have the same layout; but for figures (figure.py),
which leave room for any proportional font.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from mvc.api.cells import columns

Colour = tuple[int, int, int]
"""Red, green, blue; 0 to 255."""

INK: Colour = (34, 34, 34)
PALE: Colour = (120, 120, 120)
GRID: Colour = (225, 225, 225)
PAPER: Colour = (255, 255, 255)

PITCH_PIXELS = 6
"""Pixels from one character to the next at size 1; lines are 10 apart, letters 7 high."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: Colour
    title: str = ""  # shown where the pointer rests, in HTML


@dataclass(frozen=True, slots=True)
class Polyline:
    points: tuple[tuple[float, float], ...]
    colour: Colour
    width: float = 2.0
    title: str = ""
    dash: tuple[float, ...] = ()  # pixels in turns drawn and not


@dataclass(frozen=True, slots=True)
class Label:
    """`y` is the baseline."""

    x: float
    y: float
    text: str
    colour: Colour = INK
    size: float = 2  # of the font, in tens of pixels
    anchor: Anchor = "start"


Shape = Rect | Polyline | Label


@dataclass(slots=True)
class Drawing:
    """Later shapes lie over earlier ones. Width and height may be set last, when all is placed."""

    title: str
    width: int = 0
    height: int = 0
    shapes: list[Shape] = field(default_factory=list)
    fixed: bool = True  # whether text is set in a fixed pitch

    def rect(
        self, x: float, y: float, width: float, height: float, fill: Colour, title: str = ""
    ) -> None:
        self.shapes.append(Rect(x, y, width, height, fill, title))

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: Colour,
        width: float = 2.0,
        title: str = "",
        dash: tuple[float, ...] = (),
    ) -> None:
        self.shapes.append(Polyline(tuple(points), colour, width, title, dash))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        colour: Colour = INK,
        size: float = 2,
        anchor: Anchor = "start",
    ) -> None:
        self.shapes.append(Label(x, y, text, colour, size, anchor))


def text_width(text: str, size: float = 2) -> int:
    """A pitch for each column: wide characters take two."""
    return round(PITCH_PIXELS * size * columns(text))


def blend(below: Colour, above: Colour, share: float) -> Colour:
    """`share` of `above`, 0 to 1."""
    return tuple(round(a + (b - a) * share) for a, b in zip(below, above, strict=True))  # type: ignore[return-value]
