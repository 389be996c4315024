"""Line charts: axes with round marks, lines that lose nothing an eye would see."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvc.pictures.axis import Axis, Linear, Logarithmic, Time, horizontal
from mvc.pictures.chart import Line, draw, panel, thinned
from mvc.pictures.drawing import Label, Polyline, Rect
from mvc.pictures.raster import png

DAY = 86400.0


def texts(axis: Axis, about: int = 5) -> list[str]:
    return [text for _, text in axis.marks(about)]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Linear(0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (Linear(1, 3, "v", whole=True), ["v1", "v2", "v3"]),
        (Linear(7, 7, "v", whole=True), ["v7"]),
        (Logarithmic(0.009, 11), ["0.01", "0.1", "1", "10"]),
        (Logarithmic(0.15, 0.9), ["0.2", "0.5"]),
        (Logarithmic(0.82, 0.98), ["0.85", "0.9", "0.95"]),
        (Time(0, 7200, UTC), ["00:00", "01:00", "02:00"]),
        (Time(0, 4 * DAY, UTC), ["1970-01-01", "1970-01-02", "1970-01-03", "1970-01-04", "1970-01-05"]),
        (Time(0, 60 * DAY, UTC), ["1970-01-01", "1970-01-15", "1970-01-29", "1970-02-12", "1970-02-26"]),
        (Time(60, 60, UTC), ["01-01 00:01"]),
    ],
)  # fmt: skip
def test_marks_are_round(axis: Axis, expected: list[str]) -> None:
    assert texts(axis) == expected


values = st.floats(-1e30, 1e30, allow_nan=False)


@given(st.lists(values, min_size=1, max_size=20))
def test_values_lie_within_their_axis(found: list[float]) -> None:
    axis = Linear.around(found)
    assert all(0 <= axis.share(value) <= 1 for value in found)
    positive = [abs(v) + 1e-30 for v in found]
    log = Logarithmic.around(positive)
    assert all(0 <= log.share(value) <= 1 for value in positive)
    for one in (axis, log):
        assert all(-1e-6 <= one.share(mark) <= 1 + 1e-6 for mark, _ in one.marks(5))


@given(st.lists(values, min_size=1, max_size=500), st.integers(1, 10))
def test_thinning_keeps_ends_and_extremes(heights: list[float], columns: int) -> None:
    points = tuple((float(x), y) for x, y in enumerate(heights))
    kept = thinned(points, horizontal("version", range(len(points)), UTC), columns)
    assert len(kept) <= max(4 * columns + 4, len(points) if len(points) <= 4 * columns else 0)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {min(y for _, y in kept), max(y for _, y in kept)} == {min(heights), max(heights)}
    assert list(kept) == sorted(kept)


def test_a_chart_has_a_line_a_branch_and_a_legend() -> None:
    lines = [Line("main", ((1, 0.5), (2, 0.7))), Line("wide", ((1, 0.4), (2, 0.0)))]
    made = panel("acc", lines, "version", UTC, log=False)
    assert made is not None
    drawing = draw([made], "acc")
    colours = {s.colour for s in drawing.shapes if isinstance(s, Polyline) and s.title}
    said = [s.text for s in drawing.shapes if isinstance(s, Label)]
    assert (len(colours), {"main", "wide", "v1", "v2"} <= set(said)) == (2, True)
    assert png(drawing).startswith(b"\x89PNG")
    for shape in drawing.shapes:
        if isinstance(shape, Rect):
            assert 0 <= shape.x <= drawing.width
            assert 0 <= shape.y <= drawing.height


def test_a_logarithm_leaves_out_what_it_cannot_show() -> None:
    lines = [Line("main", ((1, 0.5), (2, 0.0), (3, -1.0)))]
    made = panel("loss", lines, "version", UTC, log=True)
    assert made is not None
    assert made.dropped == 2
    assert panel("loss", [Line("main", ((1, 0.0),))], "version", UTC, log=True) is None
