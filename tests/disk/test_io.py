"""Stretches of files in one call, against slices of what the files hold."""

from __future__ import annotations

import errno
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.disk._io import read_stretches, start_write_back

SIZE = 40_000
LONG_HOLE = 5000  # beyond what is read along
STRETCHES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.integers(0, SIZE + 10), st.sampled_from([-1, 0, 1, 4096, 4097, LONG_HOLE])),
        st.one_of(st.integers(0, 50), st.integers(0, SIZE)),
    ),
    max_size=12,
)
"""Of each: which file, how far behind the end of the one before, how many bytes."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(descriptor, content) of two files."""
    made = []
    for seed in (1, 2):
        path = tmp_path_factory.mktemp("io") / "file"
        data = random.Random(seed).randbytes(SIZE)
        path.write_bytes(data)
        made.append((os.open(path, os.O_RDWR), data))
    yield made
    for file, _ in made:
        os.close(file)


def expected(files, stretches):
    found = b""
    for which, offset, size in stretches:
        part = files[which][1][offset : offset + size]
        found += part
        if len(part) < size:
            break
    return found


@given(stretches=STRETCHES)
def test_stretches_are_what_slices_are(files, stretches):
    placed, end = [], 0
    for which, gap, size in stretches:
        start = max(0, end + gap) if end + gap <= SIZE else gap % SIZE
        placed.append((which, start, size))
        end = start + size
    asked = [(files[which][0], start, size) for which, start, size in placed]
    assert read_stretches(asked, 0, 0) == expected(files, placed)


def test_more_stretches_than_one_call_takes(files):
    placed = [(0, at, 7) for at in range(0, SIZE - 7, 20)]
    assert len(placed) > 1024
    assert read_stretches([(files[0][0], *place[1:]) for place in placed], 0, 0) == expected(
        files, placed
    )


@pytest.mark.parametrize("stretches", [[(0, -1)], [(-1, 1)], [(0, 1 << 62), (0, 1 << 62)]])
def test_what_is_no_stretch_is_refused(files, stretches):
    with pytest.raises(ValueError, match="no stretch"):
        read_stretches([(files[0][0], *stretch) for stretch in stretches], 0, 0)


def test_write_back_is_started_for_files_only(files):
    assert start_write_back(files[0][0], 0, SIZE) is None
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    with pytest.raises(OSError, match="descriptor") as caught:
        start_write_back(file, 0, 1)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError, match="descriptor") as caught:
        read_stretches([(file, 0, 1)], 0, 0)
    assert caught.value.errno == errno.EBADF
