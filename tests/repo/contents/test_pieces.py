"""Pieces of two sides walked in step: nothing lost, nothing doubled, whole elements only."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mvcd.objects.recipe import Part
from mvcd.repo.contents.pieces import ContentPiece, Run, same, windows


def cut(data: bytes, sizes: list[int]) -> Iterator[ContentPiece]:
    """Literal pieces of these sizes, the last one what is left."""
    at = 0
    for size in [*sizes, len(data)]:
        part = data[at : at + size]
        if part:
            yield ContentPiece("f", Part(at, len(part), None, part), 0, len(part))
        at += len(part)


def read(run: Run) -> bytes:
    return b"".join((piece.part.literal or b"")[piece.start : piece.stop] for piece in run)


cuts = st.lists(st.integers(1, 40), max_size=12)
widths = st.sampled_from([1, 2, 4, 8])


@given(st.integers(0, 60), widths, widths, cuts, cuts)
def test_runs_have_equally_many_elements_and_nothing_is_lost(n, a, b, left, right):
    old, new = bytes(i % 251 for i in range(n * a)), bytes(i % 241 for i in range(n * b))
    runs = list(windows(cut(old, left), a, cut(new, right), b))
    assert b"".join(read(run) for run, _ in runs) == old
    assert b"".join(read(run) for _, run in runs) == new
    for x, y in runs:
        assert len(read(x)) % a == 0
        assert len(read(x)) // a == len(read(y)) // b > 0


@given(st.integers(0, 60), st.integers(0, 60), cuts, cuts)
def test_the_shorter_side_ends_it(m, n, left, right):
    runs = list(windows(cut(bytes(m), left), 1, cut(bytes(n), right), 1))
    assert sum(len(read(run)) for run, _ in runs) == min(m, n)


@given(st.binary(min_size=1, max_size=200), cuts)
def test_equal_cuts_are_known_as_equal(data, sizes):
    assert all(same(x, y) for x, y in windows(cut(data, sizes), 1, cut(data, sizes), 1))


def test_long_runs_are_broken_where_cut_points_never_meet():
    size = 3 << 20
    old, new = cut(bytes(size), [100_000] * 40), cut(bytes(size), [99_999] * 40)
    runs = list(windows(old, 1, new, 1))
    assert max(len(read(run)) for run, _ in runs) < 1 << 20
