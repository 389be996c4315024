"""Lineage drawn: what a version was made of on the left, the version, what came of it on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvc.pictures.drawing import GRID, PALE, Colour, Drawing, text_width

BOX: Colour = (236, 241, 248)
MIDDLE: Colour = (214, 228, 246)
MARGIN, GAP, HEIGHT, LINE = 24, 90, 62, 22
LONGEST_CHARACTERS = 34
"""Characters of a line in a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """Two lines: what it is, and what it is called."""

    head: str
    detail: str


def draw(title: str, made_of: Sequence[Box], version: Box, made: Sequence[Box]) -> Drawing:
    """Columns of boxes, joined by lines; the order in a column is the caller's."""
    drawing = Drawing(title)
    columns = [list(made_of), [version], list(made)]
    widths = [max((_width(b) for b in column), default=0) for column in columns]
    rows = max(len(column) for column in columns)
    drawing.height = 2 * MARGIN + 30 + rows * (HEIGHT + 16)
    drawing.text(MARGIN, MARGIN, _short(title, 80), size=2)
    x = float(MARGIN)
    middles: list[list[tuple[float, float, float]]] = []
    for column, width in zip(columns, widths, strict=True):
        top = MARGIN + 40 + (rows - len(column)) * (HEIGHT + 16) / 2
        places = [(x, top + n * (HEIGHT + 16), width) for n in range(len(column))]
        middles.append(places)
        x += width + (GAP if width else 0)
    drawing.width = int(x - GAP + MARGIN)
    (centre,) = middles[1]
    for places, to_right in ((middles[0], True), (middles[2], False)):
        for place in places:
            left, right = (place, centre) if to_right else (centre, place)
            ends = ((left[0] + left[2], left[1] + HEIGHT / 2), (right[0], right[1] + HEIGHT / 2))
            drawing.line(ends, PALE, 1.5)
    for column, places in zip(columns, middles, strict=True):
        for box, (at, top, width) in zip(column, places, strict=True):
            drawing.rect(at - 1, top - 1, width + 2, HEIGHT + 2, GRID)
            fill = MIDDLE if box is version else BOX
            drawing.rect(at, top, width, HEIGHT, fill, f"{box.head}: {box.detail}")
            drawing.text(at + 12, top + 26, _short(box.head), size=2)
            drawing.text(at + 12, top + 26 + LINE, _short(box.detail), colour=PALE, size=2)
    return drawing


def _width(box: Box) -> float:
    return 24 + max(text_width(_short(box.head)), text_width(_short(box.detail)))


def _short(text: str, longest: int = LONGEST_CHARACTERS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 3] + "..."
