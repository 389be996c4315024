"""Functions in C that ask the system about files, against their Python in tests/support/kernels.py."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.disk import _io
from mvcd.repo.ondisk import _read, _scan, _write
from tests.support import kernels
from tests.support.kernels import outcome

NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"B", b"a\n", b" ", b"-rf", b"\xff", "é".encode(), b"n" * 255]),
    st.binary(min_size=1, max_size=6).filter(
        lambda n: not {0, 47} & {*n} and n not in (b".", b"..")
    ),
)
UNUSUAL = st.sampled_from([b"absent", b"", b"..", b"n" * 256, b"d/inside", b"f/inside"])
KINDS = st.sampled_from("file executable link dangling loop directory fifo socket".split())
NANOSECONDS = st.one_of(st.integers(0, 2 << 60), st.sampled_from([0, -1, 1, 10**9 - 1, -(10**9)]))


@contextmanager
def place() -> Iterator[bytes]:
    """A directory of one example's own."""
    with tempfile.TemporaryDirectory() as made:
        yield os.fsencode(made) + b"/"


def make(path: bytes, kind: str, data: bytes = b"") -> None:
    if kind in ("file", "executable"):
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o744 if kind == "executable" else 0o655)  # the owner, or all others
    elif kind == "directory":
        os.mkdir(path)
    elif kind in ("fifo", "socket"):
        os.mknod(path, 0o600 | (0o010000 if kind == "fifo" else 0o140000))
    else:
        target = {"link": b".", "dangling": b"nowhere", "loop": os.path.basename(path)}
        os.symlink(target[kind], path)


# ---------------------------------------------------------------- listings


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.tuples(KINDS, NANOSECONDS, st.binary(max_size=9)), max_size=12))
def test_a_directory_is_listed_alike(entries: dict[bytes, tuple[str, int, bytes]]) -> None:
    with place() as root:
        for name, (kind, moment, data) in entries.items():
            make(root + name, kind, data)
            os.utime(root + name, ns=(0, moment), follow_symlinks=False)
        assert _scan.list_directory(root) == kernels.list_directory(root)


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, KINDS, max_size=6),
    st.lists(st.one_of(NAMES, UNUSUAL), max_size=8),
    st.sampled_from([b"", b"\0"]),
    st.booleans(),
)
def test_names_are_looked_up_alike(
    entries: dict[bytes, str], more: list[bytes], end: bytes, follow: bool
) -> None:
    """Those there, those that are not, some twice, and some that make the whole fail."""
    with place() as root:
        for name, kind in entries.items():
            make(root + name, kind)
        names = b"\0".join([*entries, *more, *list(entries)[:1]]) + end
        assert outcome(lambda: _scan.list_directory(root, names, follow)) == outcome(
            lambda: kernels.list_directory(root, names, follow)
        )


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("names", [None, b"", b"f\0"])
def test_what_is_no_directory_fails_alike(names: bytes | None, follow: bool) -> None:
    with place() as root:
        for name, kind in [(b"f", "file"), (b"l", "link"), (b"o", "loop"), (b"p", "fifo")]:
            make(root + name, kind)
        outcomes = []
        for asked in (b"f", b"l", b"o", b"p", b"absent", b"f/x", b"l/l", b"n" * 256, b"a\0b"):
            expected = outcome(lambda a=asked: kernels.list_directory(root + a, names, follow))
            found = outcome(lambda a=asked: _scan.list_directory(root + a, names, follow))
            assert found == expected, asked
            outcomes.append(expected[0])
        assert len(set(outcomes)) > 3


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, st.integers(0, 3)), max_size=9))
def test_many_directories_are_listed_alike(asked: list[tuple[str, int]]) -> None:
    """Each kind of entry, of which directories alone have a listing, and names that are not there."""
    with place() as root:
        paths = []
        for number, (kind, files) in enumerate(asked):
            name = root + b"%d" % number
            make(name, kind)
            for each in range(files if kind == "directory" else 0):
                make(name + b"/%d" % each, "file", b"x" * each)
            paths += [name, name + b"/absent"][: 1 + files % 2]
        found = _scan.list_directories(iter(paths))
        assert found == kernels.list_directories(paths)
        kinds = [isinstance(one, bytes) for one in found]
        assert sum(kinds) == sum(kind == "directory" for kind, _ in asked)


def test_paths_that_are_none_are_refused() -> None:
    for bad, error in ((["a"], TypeError), ([b"a\0b"], ValueError), (7, TypeError)):
        with pytest.raises(error):
            _scan.list_directories(bad)  # type: ignore[arg-type]


# ---------------------------------------------------------------- reading

SIZES = st.sampled_from([0, 1, 5, 99, 100, 101, 5000])


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, st.tuples(KINDS, SIZES), max_size=8),
    st.lists(UNUSUAL, max_size=3),
    st.sampled_from([0, 100, 1 << 40]),
    st.randoms(),
)
def test_files_are_read_alike(
    entries: dict[bytes, tuple[str, int]], more: list[bytes], limit: int, order: random.Random
) -> None:
    with place() as root:
        for name, (kind, size) in entries.items():
            make(root + name, kind, order.randbytes(size))
        paths = [root + name for name in [*entries, *more]]
        paths += [b"/proc/self/stat", b"/dev/null", root + b"f/../f"]
        order.shuffle(paths)
        assert _read.read_files(paths, limit) == kernels.read_files(paths, limit)


@pytest.mark.parametrize("path", [b"a\0b", b"\0"])
def test_a_name_to_read_ends_where_it_ends(path: bytes) -> None:
    with place() as root:
        make(root + b"a", "file", b"another file")
        expected = outcome(lambda: kernels.read_files([root + path], 100))
        assert outcome(lambda: _read.read_files([root + path], 100)) == expected == (ValueError,)


# ---------------------------------------------------------------- writing


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, KINDS, max_size=3),
    st.lists(
        st.tuples(
            st.one_of(NAMES, st.integers().map(b"%d".__mod__), UNUSUAL),
            st.sampled_from([0o666, 0o777, 0o600, 0o100, 0]),
            st.binary(max_size=300),
        ),
        max_size=8,
    ),
    st.sampled_from([0, 0o022, 0o077, 0o777]),
)
def test_files_are_made_alike(
    there: dict[bytes, str], files: list[tuple[bytes, int, bytes]], umask: int
) -> None:
    """Until the first that cannot be: what is made and what fails, and as what it is told."""
    sides = []
    for write_files in (kernels.write_files, _write.write_files):
        with place() as root:
            for name, kind in there.items():
                make(root + name, kind)
            before = os.umask(umask)
            try:
                kind, *answer = outcome(
                    lambda r=root, w=write_files: w([(r + n, b, d) for n, b, d in files])
                )
            finally:
                os.umask(before)
            if kind == "answer":
                told = [kernels._state(os.lstat(root + name)) for name, _, _ in files]
                assert answer == [told]
                answer = [[(size, executable) for size, _, _, _, executable in told]]
            elif answer:
                answer[1] = os.path.relpath(answer[1], os.fsdecode(root))
            sides.append((kind, answer, held(root)))
    assert sides[0] == sides[1]


def held(root: bytes) -> dict[bytes, tuple[int, bytes]]:
    """Mode and content of each regular file."""
    found = {}
    for entry in os.scandir(root):
        if entry.is_file(follow_symlinks=False):
            mode = entry.stat(follow_symlinks=False).st_mode
            os.chmod(entry.path, 0o600)
            with open(entry.path, "rb") as file:
                found[entry.name] = mode, file.read()
    return found


# ---------------------------------------------------------------- stretches

LENGTH = 30_000
GAPS = st.one_of(st.integers(-LENGTH, LENGTH), st.sampled_from([0, 0, 0, 1, 4095, 4096, 4097, -1]))
FAR = st.sampled_from([None] * 9 + [LENGTH, LENGTH + 1, 1 << 40, (1 << 63) - 1, -1])


@pytest.fixture(scope="module")
def descriptors() -> Iterator[list[int]]:
    """Of two files, and of the two ends of a pipe, which has no offsets."""
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as other:
        for seed, file in enumerate((one, other)):
            file.write(random.Random(seed).randbytes(LENGTH))
            file.flush()
        ends = os.pipe()
        yield [one.fileno(), other.fileno(), *ends]
        for end in ends:
            os.close(end)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0] * 30 + [1] * 6 + [2, 3]),
            GAPS,
            FAR,
            st.one_of(st.integers(0, 60), st.integers(0, LENGTH)),
        ),
        max_size=14,
    ),
    st.sampled_from([0, 1, 1 << 40]),
)
def test_stretches_are_read_alike(
    descriptors: list[int], drawn: list[tuple[int, int, int | None, int]], least: int
) -> None:
    """Side by side or apart, overlapping, beyond the end, of descriptors that cannot be read there."""
    asked, end = [], 0
    for which, gap, far, size in drawn:
        start = (end + gap) % LENGTH if far is None else far
        asked.append((descriptors[which], start, size))
        end = start + size
    expected = outcome(lambda: kernels.read_stretches(asked, 0, least))
    assert outcome(lambda: _io.read_stretches(asked, 0, least)) == expected


@pytest.mark.parametrize(
    ("stretches", "size"),
    [
        ([(0, 0, LENGTH), (0, LENGTH + 100, 0), (1, 0, 10)], LENGTH + 10),
        ([(0, 0, LENGTH + 1), (1, 0, 10)], LENGTH),
        ([(0, (1 << 63) - 1, 0), (0, 0, 10)], 10),  # a step back of so many bytes overflows
    ],
)
def test_only_a_stretch_that_is_cut_short_ends_the_reading(
    descriptors: list[int], stretches: list[tuple[int, int, int]], size: int
) -> None:
    asked = [(descriptors[which], *rest) for which, *rest in stretches]
    expected = kernels.read_stretches(asked, 0, 0)
    assert len(expected) == size
    assert _io.read_stretches(asked, 0, 0) == expected


@given(
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 1, LENGTH, 1 << 40, (1 << 63) - 1, -1]),
    st.sampled_from([0, 1, LENGTH, (1 << 63) - 1, -1]),
)
def test_write_back_starts_alike(
    descriptors: list[int], which: int, offset: int, size: int
) -> None:
    calls: list[Callable[[int, int, int], None]] = [_io.start_write_back, kernels.start_write_back]
    found, expected = (
        outcome(lambda c=call: c(descriptors[which], offset, size)) for call in calls
    )
    assert found == expected


def test_no_call_leaves_a_descriptor_open(descriptors: list[int]) -> None:
    with place() as root:
        for name, kind in [(b"f", "file"), (b"l", "loop"), (b"p", "fifo"), (b"d", "directory")]:
            make(root + name, kind, b"content")
        paths = [root + name for name in (b"f", b"l", b"p", b"d", b"absent")]
        before = os.listdir("/proc/self/fd")
        for names in (None, b"f\0", b"n" * 256 + b"\0"):
            for path in (root, *paths):
                outcome(lambda p=path, n=names: _scan.list_directory(p, n))
        for limit in (0, 100):
            _read.read_files(paths, limit)
        outcome(lambda: _write.write_files([(root + b"new", 0o600, b"x"), (root + b"f", 0, b"")]))
        outcome(lambda: _io.read_stretches([(descriptors[0], 0, 10), (descriptors[2], 0, 1)], 0, 0))
        assert Path(os.fsdecode(root), "new").exists()
        assert os.listdir("/proc/self/fd") == before
