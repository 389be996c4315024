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


@given(st.integers(0, 20), st.sampled_from([(18, 64), (144, 512), (34, 18), (1, 8)]), cuts, cuts)
def test_units_of_many_elements_are_never_cut(n, step, left, right):
    old, new = (bytes(i % 251 for i in range(n * width)) for width in step)
    runs = list(windows(cut(old, left), step[0], cut(new, right), step[1], 256))
    assert b"".join(read(run) for run, _ in runs) == old
    assert b"".join(read(run) for _, run in runs) == new
    for x, y in runs:
        assert len(read(x)) % step[0] == 0
        assert len(read(x)) // step[0] == len(read(y)) // step[1] > 0


def test_runs_of_blocks_are_as_long_in_elements_as_others():
    """4096 blocks of 256 elements: a run has 2^18 elements and one chunk more at most."""
    old, new = cut(bytes(4096 * 144), [10_000] * 60), cut(bytes(4096 * 144), [9_999] * 60)
    sizes = [len(read(run)) for run, _ in windows(old, 144, new, 144, 256)]
    assert sum(sizes) == 4096 * 144
    assert max(sizes) <= (1024 + 70) * 144


def test_long_runs_are_broken_where_cut_points_never_meet():
    size = 3 << 20
    old, new = cut(bytes(size), [100_000] * 40), cut(bytes(size), [99_999] * 40)
    runs = list(windows(old, 1, new, 1))
    assert max(len(read(run)) for run, _ in runs) < 1 << 20
