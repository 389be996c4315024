"""Line charts in the terminal, in Braille dots: each character is two by four of them.

    val_acc
     0.9 |        ..''''
     0.7 |  ..''''
     0.5 |..
         +---------------
         v1   v2   v3  v4

Where there are several lines, each ends in a letter that the legend explains: colours may be off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import documents, text
from mvc.pictures.axis import number

if TYPE_CHECKING:
    from mvc.api.search import Series
    from mvc.pictures.chart import Line, Panel

HEIGHT_ROWS = 10
"""Rows of a panel."""
_COLORS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800


def document(found: Sequence[Series]) -> list[dict[str, Any]]:
    return [
        {
            "metric": series.metric,
            "rev": series.rev,
            "points": [
                {
                    "version": p.version,
                    "number": p.number,
                    "time": p.time.isoformat(),
                    "step": p.step,
                    "value": documents.scalar(p.value),
                }
                for p in series.points
            ],
        }
        for series in found
    ]


def lines(panels: Sequence[Panel], width: int, *, dots: bool) -> Iterator[str]:
    """`dots`: the terminal knows Braille; else each character is a point or not."""
    for index, panel in enumerate(panels):
        if index:
            yield ""
        yield from _panel(panel, max(width, 40), dots)


def _panel(panel: Panel, width: int, dots: bool) -> Iterator[str]:
    marks = panel.up.marks(HEIGHT_ROWS // 2)
    gutter = max((len(label) for _, label in marks), default=1) + 2
    columns = width - gutter - 2
    canvas = _Canvas(columns, HEIGHT_ROWS, dots)
    for index, line in enumerate(panel.lines):
        canvas.draw(panel, line, index, letter=len(panel.lines) > 1)
    yield click.style(text.safe(panel.title), bold=True) + _legend(panel)
    by_row = {_row(panel.up.share(value)): label for value, label in reversed(marks)}
    for row in range(HEIGHT_ROWS):
        label = by_row.get(row, "")
        wall = ("┤" if label else "│") if dots else "|"
        yield f"{label:>{gutter}} {wall}{canvas.row(row)}".rstrip()
    yield " " * gutter + (" └" + "─" * columns if dots else " +" + "-" * columns)
    yield " " * (gutter + 2) + _below(panel, columns)
    if panel.dropped:
        left_out = (
            f"{text.plural(panel.dropped, 'value')} not above 0 left out: the axis is logarithmic"
        )
        yield click.style(left_out, dim=True)


def _legend(panel: Panel) -> str:
    last = [number(line.points[-1][1]) for line in panel.lines]
    if len(panel.lines) == 1:
        return f"  {last[0]}"
    said = (
        click.style(f"{_letter(i)} {text.safe(line.label)} {last[i]}", fg=_COLORS[i % len(_COLORS)])
        for i, line in enumerate(panel.lines)
    )
    return "  " + "  ".join(said)


def _letter(index: int) -> str:
    return chr(ord("a") + index % 26)


def _row(share: float) -> int:
    return min(HEIGHT_ROWS - 1, max(0, int((1 - share) * HEIGHT_ROWS)))


def _below(panel: Panel, columns: int) -> str:
    """Marks under the axis, as many as have room."""
    row = [" "] * columns
    free = 0
    longest = max((len(label) for _, label in panel.across.marks(5)), default=1)
    for value, label in panel.across.marks(max(2, min(8, columns // (longest + 4)))):
        start = int(panel.across.share(value) * (columns - 1)) - len(label) // 2
        start = min(max(start, 0), columns - len(label))
        if start >= free:
            row[start : start + len(label)] = label
            free = start + len(label) + 2
    return "".join(row).rstrip()


class _Canvas:
    def __init__(self, columns: int, rows: int, dots: bool) -> None:
        self._across, self._down = (2, 4) if dots else (1, 1)
        self._columns, self._rows = columns, rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._owner: list[list[int | None]] = [[None] * columns for _ in range(rows)]
        self._letters: dict[tuple[int, int], str] = {}
        self._braille = dots

    def draw(self, panel: Panel, line: Line, index: int, *, letter: bool) -> None:
        from mvc.pictures.chart import thinned  # late: start-up

        wide, high = self._columns * self._across - 1, self._rows * self._down - 1
        points = thinned(line.points, panel.across, wide)
        places = [
            (round(panel.across.share(x) * wide), round((1 - panel.up.share(y)) * high))
            for x, y in points
        ]
        for start, end in zip(places, places[1:] or places, strict=False):
            self._segment(start, end, index)
        if letter:
            x, y = places[-1]
            self._letters[y // self._down, x // self._across] = _letter(index)
            self._owner[y // self._down][x // self._across] = index

    def _segment(self, start: tuple[int, int], end: tuple[int, int], index: int) -> None:
        (x0, y0), (x1, y1) = start, end
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            self._dot(
                round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps), index
            )

    def _dot(self, x: int, y: int, index: int) -> None:
        column, row = x // self._across, y // self._down
        self._bits[row][column] |= _DOTS[y % self._down][x % self._across]
        self._owner[row][column] = index

    def row(self, row: int) -> str:
        cells = []
        for column in range(self._columns):
            bits, owner = self._bits[row][column], self._owner[row][column]
            cell = self._letters.get((row, column)) or (
                " " if not bits else chr(_BRAILLE + bits) if self._braille else "*"
            )
            cells.append(
                cell if owner is None else click.style(cell, fg=_COLORS[owner % len(_COLORS)])
            )
        return "".join(cells)
