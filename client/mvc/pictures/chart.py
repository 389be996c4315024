"""Line charts: one panel a metric, in it one line a branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from mvc.pictures.axis import Axis, Kind, Linear, Logarithmic, horizontal, number
from mvc.pictures.drawing import GRID, INK, PALE, Colour, Drawing, text_width

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233),
)  # fmt: skip
"""Okabe and Ito's, which people of every colour vision tell apart (Color Universal Design, 2008)."""

_WIDTH, _HEIGHT, _MARGIN, _TITLE = 960, 260, 24, 28

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    points: Points


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one pair of axes; `dropped` points could not be drawn (logarithms of zero)."""

    title: str
    lines: tuple[Line, ...]
    across: Axis
    up: Axis
    dropped: int = 0


def panel(
    title: str, lines: Sequence[Line], kind: Kind, zone: tzinfo, *, log: bool
) -> Panel | None:
    """None when there is no point to draw."""
    drawn = [
        Line(line.label, tuple(p for p in line.points if not log or p[1] > 0)) for line in lines
    ]
    points = [point for line in drawn for point in line.points]
    if not points:
        return None
    across = horizontal(kind, [x for x, _ in points], zone)
    heights = [y for _, y in points]
    up: Axis = Logarithmic.around(heights) if log else Linear.around(heights)
    dropped = sum(len(line.points) for line in lines) - len(points)
    return Panel(title, tuple(line for line in drawn if line.points), across, up, dropped)


def thinned(points: Points, axis: Axis, columns: int) -> Points:
    """At most the lowest and highest, the first and the last of each column: the eye sees no more."""
    if len(points) <= 4 * columns:
        return points
    kept: dict[int, list[int]] = {}
    for index, (x, y) in enumerate(points):
        column = int(axis.share(x) * columns)
        mine = kept.setdefault(column, [index] * 4)
        if y < points[mine[1]][1]:
            mine[1] = index
        if y > points[mine[2]][1]:
            mine[2] = index
        mine[3] = index
    order = sorted({index for column in kept.values() for index in column})
    return tuple(points[index] for index in order)


def draw(panels: Sequence[Panel], title: str) -> Drawing:
    drawing = Drawing(title)
    labels = list(dict.fromkeys(line.label for one in panels for line in one.lines))
    marks = [text for one in panels for _, text in one.up.marks(5)]
    left = _MARGIN + max(map(text_width, marks), default=0) + 14
    top = float(_MARGIN)
    drawing.text(_MARGIN, top + 14, title)
    top += _TITLE
    if len(labels) > 1:
        top = _legend(drawing, labels, top)
    for one in panels:
        top = _panel(drawing, one, labels, float(left), top + 12)
    drawing.width = left + _WIDTH + 2 * _MARGIN
    drawing.height = int(top) + _MARGIN
    return drawing


def _legend(drawing: Drawing, labels: Sequence[str], top: float) -> float:
    x = float(_MARGIN)
    for index, label in enumerate(labels):
        if index and x + 30 + text_width(label) > _MARGIN + _WIDTH:
            x, top = float(_MARGIN), top + 22
        drawing.rect(x, top + 6, 22, 5, PALETTE[index % len(PALETTE)])
        drawing.text(x + 30, top + 16, label, colour=PALE)
        x += 30 + text_width(label) + 30
    return top + 20


def _panel(drawing: Drawing, one: Panel, labels: Sequence[str], left: float, top: float) -> float:
    drawing.text(_MARGIN, top + 16, one.title)
    top += _TITLE
    bottom = top + _HEIGHT
    for value, text in one.up.marks(5):
        y = bottom - one.up.share(value) * _HEIGHT
        drawing.line([(left, y), (left + _WIDTH, y)], GRID, 1)
        drawing.text(left - 10, y + 7, text, colour=PALE, anchor="end")
    drawing.line([(left, bottom), (left + _WIDTH, bottom)], INK, 1)
    widest = max((text_width(text) for _, text in one.across.marks(6)), default=1)
    for value, text in one.across.marks(min(6, _WIDTH // (widest + 20))):
        x = left + one.across.share(value) * _WIDTH
        drawing.line([(x, bottom), (x, bottom + 6)], INK, 1)
        drawing.text(x, bottom + 26, text, colour=PALE, anchor="middle")
    for line in one.lines:
        _line(drawing, one, line, PALETTE[labels.index(line.label) % len(PALETTE)], left, bottom)
    return bottom + 34


def _line(
    drawing: Drawing, one: Panel, line: Line, colour: Colour, left: float, bottom: float
) -> None:
    points = thinned(line.points, one.across, _WIDTH)
    places = [
        (left + one.across.share(x) * _WIDTH, bottom - one.up.share(y) * _HEIGHT) for x, y in points
    ]
    last = number(line.points[-1][1])
    drawing.line(places, colour, 2, f"{line.label}: {one.title} {last} at the end")
    if len(points) <= _WIDTH // 12:
        for (x, y), (_, value) in zip(places, points, strict=True):
            drawing.rect(x - 3, y - 3, 6, 6, colour, f"{line.label}: {one.title} {number(value)}")
