"""Past the page cache or through it: the same bytes, whatever the file system knows."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from mvcd.disk import uncached
from mvcd.disk.uncached import LEAST_BYTES

SHARED_MEMORY = Path("/dev/shm")  # tmpfs, which refuses the flag


@pytest.fixture(params=["disk", "memory"])
def file(request, tmp_path):
    """A descriptor of an empty file; in memory where Linux has a tmpfs."""
    path = tmp_path / "file"
    if request.param == "memory" and SHARED_MEMORY.is_dir():
        path = SHARED_MEMORY / f"mvc-test-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    yield descriptor
    os.close(descriptor)
    path.unlink()


def test_what_is_appended_piece_by_piece_is_read_back(file):
    rng = random.Random(1)
    whole = b""
    for size in (1, LEAST_BYTES - 1, LEAST_BYTES, 3 * LEAST_BYTES + 123, 5, 2 * LEAST_BYTES + 1):
        parts = [rng.randbytes(size // 3), rng.randbytes(size - size // 3)]
        uncached.write(file, parts, len(whole))
        whole += b"".join(parts)
    os.fsync(file)
    for size, offset in ((len(whole), 0), (LEAST_BYTES, 77), (LEAST_BYTES - 1, 4096), (0, 3)):
        assert uncached.read([(file, offset, size)]) == whole[offset : offset + size]


def test_a_read_ends_where_the_file_does(file):
    uncached.write(file, [b"x" * LEAST_BYTES], 0)
    assert uncached.read([(file, LEAST_BYTES - 3, 2 * LEAST_BYTES)]) == b"xxx"
    assert uncached.read([(file, LEAST_BYTES, 2 * LEAST_BYTES)]) == b""


def test_what_fails_fails(file):
    os.close(file)
    try:
        for call in (
            lambda: uncached.write(file, [b"x" * LEAST_BYTES], 0),
            lambda: uncached.read([(file, 0, LEAST_BYTES)]),
        ):
            with pytest.raises(OSError, match="descriptor") as caught:
                call()
            assert caught.value.errno == errno.EBADF
    finally:
        os.dup2(os.open(os.devnull, os.O_RDONLY), file)  # for the fixture to close


@pytest.fixture
def calls(monkeypatch):
    """(name, arguments but descriptors and data) of what the kernel is asked for from here on."""
    found = []

    def watch(where, name, first):
        do = getattr(where, name)

        def watched(*all):
            found.append((name, *all[first:]))
            return do(*all)

        monkeypatch.setattr(where, name, watched)

    watch(os, "pwritev", 2)
    watch(uncached, "read_stretches", 1)
    watch(uncached, "start_write_back", 1)
    return found


def test_what_is_read_is_kept_where_it_is_to_be(file, calls):
    os.pwrite(file, b"x" * LEAST_BYTES, 0)
    assert uncached.read([(file, 0, LEAST_BYTES)], cached=True) == b"x" * LEAST_BYTES
    assert calls == [("read_stretches", 0, LEAST_BYTES)]


def test_a_kernel_that_does_not_know_it_is_not_asked(file, calls, monkeypatch):
    monkeypatch.setattr(uncached, "_FLAGS", 0)
    uncached.write(file, [b"x" * LEAST_BYTES], 0)
    assert uncached.read([(file, 0, LEAST_BYTES)]) == b"x" * LEAST_BYTES
    assert calls == [
        ("pwritev", 0),
        ("start_write_back", 0, LEAST_BYTES),
        ("read_stretches", 0, LEAST_BYTES),
    ]


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ("6.16.0-rc1", True),
        ("7.0.1-generic", True),
        ("6.15.9", False),
        ("5.4", False),
        ("?", False),
    ],
)
def test_which_kernels_know_it(monkeypatch, release, known):
    uname = os.uname_result(("Linux", "host", release, "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: uname)
    monkeypatch.setattr(uncached.sys, "platform", "linux")
    assert bool(uncached._flags()) is known


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("size", [0, 1, 5000, LEAST_BYTES + 1])
def test_what_is_read_into_a_buffer_is_what_is_there(file, cached, size):
    data = random.Random(1).randbytes(size + 100)
    uncached.write(file, [data], 0)
    out = bytearray(size)
    assert uncached.read_into(file, memoryview(out), 50, cached=cached) == size
    assert out == data[50 : 50 + size]
    longer = bytearray(size + 100)
    assert uncached.read_into(file, memoryview(longer), 50, cached=cached) == size + 50
    assert longer[: size + 50] == data[50:]
