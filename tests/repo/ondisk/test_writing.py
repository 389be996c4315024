"""Many small files made in one call."""

from __future__ import annotations

import os
import random
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.disk import uncached
from mvcd.repo.ondisk._write import write_files
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import end_file, write_pieces


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0o666, 0o777]), st.binary(max_size=300)), max_size=20))
def test_each_has_its_content(contents: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, str(n)) for n in range(len(contents))]
        made = write_files(
            [(os.fsencode(p), bits, data) for p, (bits, data) in zip(paths, contents, strict=True)]
        )
        assert [path.read_bytes() for path in paths] == [data for _, data in contents]
        assert [FileStat(*state) for state in made] == [FileStat.of(os.lstat(p)) for p in paths]


def test_the_umask_takes_its_part(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_files([(os.fsencode(tmp_path / "x"), 0o777, b"x")])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o750


def test_the_first_that_fails_is_named(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"as it was")
    names = [tmp_path / "first", there, tmp_path / "third"]
    with pytest.raises(FileExistsError) as caught:
        write_files([(os.fsencode(name), 0o666, b"new") for name in names])
    assert caught.value.filename == str(there)
    assert there.read_bytes() == b"as it was"
    assert [name.exists() for name in names] == [True, True, False]
    with pytest.raises(FileNotFoundError):
        write_files([(os.fsencode(tmp_path / "nowhere" / "x"), 0o666, b"")])


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        (),
        [None],
        [(b"x", 0o666)],
        [("x", 0o666, b"")],
        [(b"x", "r", b"")],
        [(b"x", 0o666, "")],
    ],
)
def test_what_is_no_list_of_files(wrong: object, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError):
        write_files(wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_name_ends_where_it_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null"):
        write_files([(os.fsencode(tmp_path / "a") + b"\0b", 0o666, b"")])
    assert not list(tmp_path.iterdir())


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=50))), st.randoms())
def test_pieces_are_where_they_belong(gaps: list[tuple[int, bytes]], order: random.Random) -> None:
    """In any order, side by side or not; what nobody wrote is zeros."""
    whole, pieces = b"", []
    for gap, piece in gaps:
        whole += bytes(gap)
        pieces.append((len(whole), piece))
        whole += piece
    order.shuffle(pieces)
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        calls, write = [], uncached.write
        patch.setattr(uncached, "write", lambda *all: (calls.append(all), write(*all)))
        write_pieces(file.fileno(), pieces)
        assert os.pread(file.fileno(), len(whole) + 1, 0) == whole
        runs = sum(gap > 0 for gap, _ in gaps[1:]) + 1
        assert len(calls) == runs


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 4095, 4096, 32767, 65536, 200_000]), st.integers(0, 3)),
        min_size=1, max_size=6,
    ),
    st.integers(0, 70_000),
    st.sampled_from([1000, 65536, 100_003, 1 << 20]),
)  # fmt: skip
def test_zeros_are_not_written_and_are_there(
    runs: list[tuple[int, int]], offset: int, cut: int
) -> None:
    """However the content is cut into pieces."""
    content = b"".join(bytes(zeros) + b"x" * data for zeros, data in runs)
    pieces = [(offset + at, content[at : at + cut]) for at in range(0, len(content), cut)]
    with tempfile.TemporaryFile() as file:
        write_pieces(file.fileno(), pieces)
        end_file(file.fileno(), offset + len(content))
        assert file.read() == bytes(offset) + content


def test_a_run_of_64_kib_becomes_a_hole_wherever_it_lies(tmp_path: Path) -> None:
    for shift in (0, 1, 4095, 20_000, 40_000):
        path = tmp_path / str(shift)
        content = b"x" * shift + bytes(1 << 20) + b"x" * 5000 + bytes(64 << 10) + b"x"
        with open(path, "wb") as file:
            write_pieces(file.fileno(), [(0, content)])
            end_file(file.fileno(), len(content))
        assert path.read_bytes() == content
        stored = path.stat().st_blocks * 512
        assert stored <= shift + 5000 + 5 * 4096 + 16_384, (shift, stored)
