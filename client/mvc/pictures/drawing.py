"""A picture as shapes, before it is pixels or SVG. Coordinates in pixels from the top left corner.

Text is set in a fixed pitch (`text_width`), so both forms have the same layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Label:
    """`y` is the baseline."""

    x: float
    y: float
    text: str
    colour: Colour = INK
    size: int = 2
    anchor: Anchor = "start"


Shape = Rect | Polyline | Label


@dataclass(slots=True)
class Drawing:
    """Later shapes lie over earlier ones. Width and height may be set last, when all is placed."""

    title: str
    width: int = 0
    height: int = 0
    shapes: list[Shape] = field(default_factory=list)

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
    ) -> None:
        self.shapes.append(Polyline(tuple(points), colour, width, title))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        colour: Colour = INK,
        size: int = 2,
        anchor: Anchor = "start",
    ) -> None:
        self.shapes.append(Label(x, y, text, colour, size, anchor))


def text_width(text: str, size: int = 2) -> int:
    return PITCH_PIXELS * size * len(text)


def blend(below: Colour, above: Colour, share: float) -> Colour:
    """`share` of `above`, 0 to 1."""
    return tuple(round(a + (b - a) * share) for a, b in zip(below, above, strict=True))  # type: ignore[return-value]
