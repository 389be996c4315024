"""Listings against a plain reference, and the rows of the stat cache: round trip, damage, the racy rule."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.ids import RecipeId
from mvcd.repo.ondisk import statcache
from mvcd.repo.ondisk._scan import list_directory
from mvcd.repo.ondisk.statcache import FileStat, Flag, Listing, stat_matches
from tests.support import kernels

RULES = bytes(range(16))
MS = 1_000_000
SECOND = 1000 * MS


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """One of each kind, and names that hurt."""
    directory = tmp_path / "zoo"
    directory.mkdir()
    for name in [
        b"plain",
        b"run.sh",
        b"a\nb",
        b" ",
        b"-rf",
        b"\xff\xfe",
        "é".encode(),
        b"\x01",
        b"n" * 255,
    ]:
        with open(os.fsencode(directory) + b"/" + name, "wb") as file:
            file.write(name)
    (directory / "run.sh").chmod(0o755)
    os.utime(directory / "plain", ns=(-5, -5))  # before 1970
    os.truncate(directory / " ", 1 << 40)
    (directory / "link").symlink_to("nowhere")
    (directory / "link to directory").symlink_to(".")
    (directory / "sub").mkdir()
    (directory / "Sub").mkdir()
    os.mkfifo(directory / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(directory / "socket"))
    return directory


def test_listing_equals_the_reference(zoo: Path) -> None:
    assert list_directory(os.fsencode(zoo)) == kernels.list_directory(os.fsencode(zoo))


def test_listing_of_device_files() -> None:
    listing = Listing(list_directory(b"/dev", b"null\0"))
    assert (listing.names, listing.kind(0)) == ([b"null"], b"v")


def test_empty_listing(tmp_path: Path) -> None:
    assert list_directory(os.fsencode(tmp_path)) == statcache.EMPTY_LISTING
    assert list_directory(os.fsencode(tmp_path), b"absent\0") == statcache.EMPTY_LISTING
    assert Listing(statcache.EMPTY_LISTING).names == []


def test_many_entries(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / f"{i * 7919 % 3000}").touch()
    assert list_directory(os.fsencode(tmp_path)) == kernels.list_directory(os.fsencode(tmp_path))


def test_restricted_to_names(zoo: Path) -> None:
    listing = Listing(list_directory(os.fsencode(zoo), b"sub\0run.sh\0absent\0link\0"))
    assert listing.directories == [b"sub"]
    assert listing.names == [b"link", b"run.sh"]
    assert listing.stat(0).is_symlink
    assert listing.stat(1) == FileStat.of(os.stat(zoo / "run.sh"))


def test_what_happens_in_a_subdirectory_leaves_the_listing_alone(zoo: Path) -> None:
    before = list_directory(os.fsencode(zoo))
    (zoo / "sub" / "new").touch()
    with open(os.open(zoo / "fifo", os.O_RDWR), "r+b", buffering=0) as fifo:
        fifo.write(b"x")
    assert list_directory(os.fsencode(zoo)) == before


def test_links_are_followed_on_request_only(zoo: Path) -> None:
    path = os.fsencode(zoo / "link to directory")
    with pytest.raises(OSError) as caught:
        list_directory(path)
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert list_directory(path, None, True) == kernels.list_directory(os.fsencode(zoo))


def test_failures_raise(zoo: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_directory(os.fsencode(zoo / "absent"))
    with pytest.raises(NotADirectoryError):
        list_directory(os.fsencode(zoo / "plain"))
    with pytest.raises(ValueError, match="null"):
        list_directory(b"a\0b")
    with pytest.raises(ValueError, match="followed by a NUL"):
        list_directory(os.fsencode(zoo), b"plain")
    with pytest.raises(OSError, match="name too long"):
        list_directory(os.fsencode(zoo), b"n" * 256 + b"\0")


def test_no_descriptor_is_left_open(zoo: Path) -> None:
    path = os.fsencode(zoo)
    lowest = os.open(path, os.O_RDONLY)
    os.close(lowest)
    for _ in range(100):
        list_directory(path)
        list_directory(path, b"plain\0")
        with pytest.raises(OSError):
            list_directory(path, b"n" * 256 + b"\0")
    again = os.open(path, os.O_RDONLY)
    os.close(again)
    assert again == lowest


def test_lookups_in_a_raw_listing(zoo: Path) -> None:
    raw = list_directory(os.fsencode(zoo))
    assert statcache.listed_directories(raw) == [b"Sub", b"sub"]
    assert statcache.lists_file(raw, b"plain")
    assert statcache.lists_file(raw, b"\x01")
    assert not any(statcache.lists_file(raw, name) for name in [b"sub", b"plai", b"lain", b"f"])


# ---------------------------------------------------------------- rows


@st.composite
def rows(draw: st.DrawFn) -> tuple[bytes, bytes, list[RecipeId], list[str], int]:
    """(listing, flags, known, missing, directories)."""
    name = st.binary(min_size=1, max_size=9).filter(lambda b: not set(b) & {0, ord("/")})
    directories = sorted(draw(st.sets(name, max_size=4)))
    others = sorted(draw(st.sets(name, max_size=6)))
    kinds = draw(st.lists(st.sampled_from("fxl"), min_size=len(others), max_size=len(others)))
    raw = struct.pack(
        "<IIII",
        len(directories),
        len(others),
        *(1 + sum(len(n) + 1 for n in names) for names in (directories, others)),
    )
    raw += b"\0" + b"".join(n + b"\0" for n in directories)
    raw += b"".join(struct.pack("<cQqqQ", k.encode(), 1, -2, 3, 4) for k in kinds)
    raw += b"\0" + b"".join(n + b"\0" for n in others)
    flag = st.sampled_from(Flag)
    flags = draw(
        st.lists(
            st.sampled_from([Flag.NOT_OURS, Flag.CLEAN]),
            min_size=len(directories),
            max_size=len(directories),
        )
    )
    flags += draw(st.lists(flag, min_size=len(others), max_size=len(others)))
    known = [RecipeId(bytes([i]) * 32) for i in range(flags.count(Flag.KNOWN))]
    missing = draw(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=3
        )
    )
    return raw, bytes(flags), known, missing, len(directories)


@given(rows())
def test_rows_round_trip(made: tuple[bytes, bytes, list[RecipeId], list[str], int]) -> None:
    raw, flags, known, missing, directories = made
    row = statcache.parse(statcache.pack(RULES, raw, flags, known, missing))
    assert row is not None
    assert (row.rules, row.listing.raw, row.flags, row.missing) == (RULES, raw, flags, missing)
    assert list(row.known.values()) == known
    assert [flags[directories + index] for index in row.known] == [Flag.KNOWN] * len(known)


@given(rows())
def test_clean_flags_means_that_nothing_is_to_do(
    made: tuple[bytes, bytes, list[RecipeId], list[str], int],
) -> None:
    raw, flags, known, missing, _ = made
    row = statcache.pack(RULES, raw, flags, known, missing)
    nothing_to_do = not missing and set(flags) <= {Flag.NOT_OURS, Flag.CLEAN}
    assert statcache.clean_flags(row, RULES, raw) == (flags if nothing_to_do else None)
    assert statcache.clean_flags(row, RULES[::-1], raw) is None


@given(rows(), st.data())
def test_another_listing_is_never_clean(
    made: tuple[bytes, bytes, list[RecipeId], list[str], int], data: st.DataObject
) -> None:
    raw, flags, known, missing, _ = made
    row = statcache.pack(RULES, raw, flags, known, missing)
    other = data.draw(rows())[0]
    if other != raw:
        assert statcache.clean_flags(row, RULES, other) is None


@given(rows(), st.data())
def test_damaged_rows_are_refused_or_parse_whole(
    made: tuple[bytes, bytes, list[RecipeId], list[str], int], data: st.DataObject
) -> None:
    raw, flags, known, missing, _ = made
    row = statcache.pack(RULES, raw, flags, known, missing)
    short = statcache.parse(row[: data.draw(st.integers(0, len(row) - 1))])
    assert short is None or (short.flags == flags and len(short.missing) < len(missing))
    at = data.draw(st.integers(0, len(row) - 1))
    flipped = statcache.parse(
        row[:at] + bytes([row[at] ^ data.draw(st.integers(1, 255))]) + row[at + 1 :]
    )
    assert flipped is None or len(flipped.flags) == len(flags)


def test_the_row_format_is_pinned() -> None:
    """A row of format 1, byte by byte. If this fails, FORMAT must grow: old rows are then scanned afresh."""
    listing = bytes.fromhex("01000000 02000000 03000000 05000000") + b"\0d\0"
    for kind in b"fl":
        listing += bytes([kind]) + struct.pack("<QqqQ", 5, 6, 7, 8)
    listing += b"\0a\0b\0"
    row = b"\x01" + RULES + listing + b"\1\2\1" + b"r" * 32 + b"gone\0"
    assert statcache.pack(RULES, listing, b"\1\2\1", [RecipeId(b"r" * 32)], ["gone"]) == row
    parsed = statcache.parse(row)
    assert parsed is not None
    assert parsed.entered() == ["d"]
    assert parsed.files() == ["a", "b", "gone"]
    assert parsed.known == {0: b"r" * 32}
    assert parsed.listing.stat(1) == FileStat(5, 6, 7, 8, executable=False, is_symlink=True)
    assert statcache.parse(b"\x02" + row[1:]) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=2000))
def test_keys_fit_and_tell_paths_apart(path: str) -> None:
    key = statcache.key(b"w" * 32, path)
    assert len(key) <= 511
    assert key.startswith(statcache.prefix(b"w" * 32))
    assert key != statcache.key(b"w" * 32, path + "x")
    assert key != statcache.key(b"v" * 32, path)


# ---------------------------------------------------------------- stats


@pytest.mark.parametrize(
    ("mtime", "ctime", "racy"),
    [
        (-SECOND, -21 * MS + 1, False),
        (-SECOND, -19 * MS + 1, True),  # written and then stamped back, but just now
        (-19 * MS, -SECOND + 1, True),
        (-SECOND, SECOND + 1, True),
        (SECOND, -SECOND + 1, True),  # a clock that runs ahead a little
        (24 * 3600 * SECOND, -SECOND + 1, False),  # stamped ahead by hand
        (-10 * SECOND, -10 * SECOND, False),  # whole seconds: a coarse file system
        (-10 * SECOND, -2 * SECOND, True),
        (-10 * SECOND, -3 * SECOND, False),
    ],
)
def test_racy(mtime: int, ctime: int, racy: bool) -> None:
    now = 1_700_000_000 * SECOND
    assert FileStat(1, now + mtime, now + ctime, 9).racy(now) is racy


def test_stat_matches(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    expected = FileStat.of(os.stat(path))
    with open(path, "rb") as file:
        assert stat_matches(file.fileno(), expected)
    assert stat_matches(str(path), expected)
    (tmp_path / "link").symlink_to("file")
    assert not stat_matches(str(tmp_path / "link"), expected)
    assert stat_matches(str(tmp_path / "link"), FileStat.of(os.lstat(tmp_path / "link")))
    path.chmod(0o755)
    assert not stat_matches(str(path), expected)
    path.unlink()
    assert not stat_matches(str(path), expected)
    path.mkdir()
    assert not stat_matches(str(path), FileStat.of(os.stat(path)))
