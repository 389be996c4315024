"""Line charts as papers print them: a proportional font, labelled axes, the legend beside the data.

One panel a metric, all of one width. Lines differ in colour, and from the eighth on in their dashes too. Few
points are marked one by one, so that a single one is seen, and where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvc.api.cells import beginning, columns, ending
from mvc.pictures.axis import Kind
from mvc.pictures.chart import PALETTE, Line, Panel, thinned
from mvc.pictures.drawing import GRID, INK, Colour, Drawing
from mvc.pictures.letters import width

COLOURS: tuple[Colour, ...] = (*PALETTE, (0, 0, 0))
"""Okabe and Ito's, without their yellow, which is hard to see on white."""
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 4), (2, 3), (10, 3, 2, 3))
_GREY: Colour = (85, 85, 85)

_WIDTH_PIXELS, _LEAST_PIXELS = 960, 480
_MARGIN_PIXELS = 24
_ONE_PIXELS, _MANY_PIXELS = 380, 250
_TEXT, _SMALL, _LARGE = 1.4, 1.3, 1.7
"""Sizes of text, in tens of pixels."""
_SAMPLE_PIXELS = 30
_LEGEND_ROW_PIXELS = 24
_LONGEST_COLUMNS = 36
_MARKED_VALUES = 60
"""A line of more has no marks."""
_MARK_PIXELS = 7


def draw(panels: Sequence[Panel], title: str, kind: Kind) -> Drawing:
    """Draws `panels` below each other; they share the legend and the meaning of x."""
    labels = list(dict.fromkeys(line.label for one in panels for line in one.lines))
    legend = max((width(_short(label), 10 * _TEXT) for label in labels), default=0.0)
    legend = legend + _SAMPLE_PIXELS + 40 if len(labels) > 1 else 0.0
    marks = [text for one in panels for _, text in one.up.marks(5)]
    left = _MARGIN_PIXELS + max((width(text, 10 * _SMALL) for text in marks), default=0.0) + 12
    plot = max(_WIDTH_PIXELS - left - legend - _MARGIN_PIXELS, _LEAST_PIXELS)
    drawing = Drawing(title, fixed=False)
    drawing.width = round(left + plot + legend + _MARGIN_PIXELS)
    drawing.text(_MARGIN_PIXELS, _MARGIN_PIXELS + 16, _fitting(title, drawing.width), size=_LARGE)
    top = _MARGIN_PIXELS + 30.0
    first = top + 30
    height = _ONE_PIXELS if len(panels) == 1 else _MANY_PIXELS
    for one in panels:
        _panel(drawing, one, labels, (left, top + 30, plot, height), kind)
        top += height + 90
    if len(labels) > 1:
        _legend(drawing, labels, left + plot + 32, first)
        top = max(top, first + len(labels) * _LEGEND_ROW_PIXELS)
    drawing.height = round(top + _MARGIN_PIXELS / 2)
    return drawing


def _fitting(title: str, room: float) -> str:
    room -= 2 * _MARGIN_PIXELS
    short, least = title, columns(title)
    while width(short, 10 * _LARGE) > room:
        least -= 1
        short = f"{beginning(title, least)}…"
    return short


def _short(label: str) -> str:
    """The beginning and the end of a long name say most."""
    if columns(label) <= _LONGEST_COLUMNS:
        return label
    head = beginning(label, _LONGEST_COLUMNS // 2)
    return f"{head}…{ending(label, _LONGEST_COLUMNS - 1 - columns(head))}"


def _style(index: int) -> tuple[Colour, tuple[float, ...]]:
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def _legend(drawing: Drawing, labels: Sequence[str], left: float, top: float) -> None:
    for index, label in enumerate(labels):
        colour, dash = _style(index)
        y = top + 8 + index * _LEGEND_ROW_PIXELS
        drawing.line([(left, y), (left + _SAMPLE_PIXELS, y)], colour, 2.5, label, dash=dash)
        drawing.text(left + _SAMPLE_PIXELS + 8, y + 5, _short(label), size=_TEXT)


def _panel(
    drawing: Drawing,
    one: Panel,
    labels: Sequence[str],
    box: tuple[float, float, float, float],
    kind: Kind,
) -> None:
    left, top, plot, height = box
    bottom = top + height
    left_out = f"  ({one.dropped:,} not above 0 left out)" if one.dropped else ""
    drawing.text(left, top - 12, _short(one.title) + left_out, size=_TEXT)
    for value, text in one.up.marks(5):
        y = bottom - one.up.share(value) * height
        drawing.line([(left, y), (left + plot, y)], GRID, 1)
        drawing.text(left - 8, y + 4.5, text, colour=_GREY, size=_SMALL, anchor="end")
    drawing.line([(left, top), (left, bottom), (left + plot, bottom)], INK, 1)
    widest = max((width(text, 10 * _SMALL) for _, text in one.across.marks(8)), default=1.0)
    for value, text in one.across.marks(max(1, min(8, int(plot / (widest + 24))))):
        x = left + one.across.share(value) * plot
        drawing.line([(x, bottom), (x, bottom + 5)], INK, 1)
        drawing.text(x, bottom + 20, text, colour=_GREY, size=_SMALL, anchor="middle")
    drawing.text(left + plot / 2, bottom + 42, kind, size=_TEXT, anchor="middle")
    for line in one.lines:
        _line(drawing, one, line, labels.index(line.label), box)


def _line(
    drawing: Drawing, one: Panel, line: Line, index: int, box: tuple[float, float, float, float]
) -> None:
    left, top, plot, height = box
    points = thinned(line.points, one.across, int(plot))
    places = [
        (left + one.across.share(x) * plot, top + (1 - one.up.share(y)) * height) for x, y in points
    ]
    colour, dash = _style(index)
    if len(places) > 1:
        drawing.line(places, colour, 2, line.label, dash=dash)
    if len(points) <= _MARKED_VALUES:
        for place in places:
            drawing.line([place, place], colour, _MARK_PIXELS)
