"""Plans of ranges: what they read is enough for every span, and no more than their limits allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.store.bucket.ranges import plan

DATA = bytes(range(256)) * 4
spans = st.lists(
    st.tuples(st.integers(0, len(DATA)), st.integers(0, len(DATA))).map(lambda s: (min(s), max(s)))
)


@given(spans, st.integers(0, 60), st.integers(1, 200))
def test_spans_are_cut_from_what_is_read(spans, gap, most):
    planned = plan(spans, gap=gap, most=most)
    assert planned.cut([DATA[a:b] for a, b in planned.reads]) == [DATA[a:b] for a, b in spans]
    assert all(0 < b - a <= most for a, b in planned.reads)
    ends = [0, *(b for _, b in planned.reads)]
    assert all(a >= before for (a, _), before in zip(planned.reads, ends, strict=False))
    wanted = {n for a, b in spans for n in range(a, b)}
    needless = {n for a, b in planned.reads for n in range(a, b)} - wanted
    assert all(
        wanted & set(range(n - gap, n)) and wanted & set(range(n, n + gap + 1)) for n in needless
    )


def test_neighbours_are_read_as_one_and_long_ones_in_pieces():
    assert plan([(0, 10), (15, 20), (100, 130)], gap=5, most=20).reads == [
        (0, 20),
        (100, 120),
        (120, 130),
    ]
    assert plan([(5, 5)]).reads == []
    assert plan([]).cut([]) == []


@pytest.mark.parametrize("span", [(5, 4), (-1, 3)])
def test_what_is_no_span_is_refused(span):
    with pytest.raises(ValueError, match="no span"):
        plan([span])
