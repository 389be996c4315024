"""Files replaced as a whole: what readers see, who may read, what is left when it fails, what is durable."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from mvcd.disk.replace import place_file, replace_file, replacing


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and named, in order: "file" or "directory" for a sync."""
    found: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def synced(file: int) -> None:
        found.append("directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    def replaced(old: str, new: str) -> None:
        found.append("rename")
        replace(old, new)

    def linked(old: str, new: str) -> None:
        found.append("link")
        link(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os, "link", linked)
    return found


def test_the_bytes_are_durable_before_the_name_and_the_name_at_the_end(
    tmp_path: Path, calls: list[str]
) -> None:
    path = tmp_path / "file"
    replace_file(str(path), b"one")
    assert calls == ["file", "rename", "directory"]
    replace_file(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_cache_is_replaced_without_a_sync(tmp_path: Path, calls: list[str]) -> None:
    replace_file(str(tmp_path / "file"), b"one", durable=False)
    assert calls == ["rename"]


def test_a_name_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    replace_file("file", b"one")
    assert place_file("other", b"two")
    assert (tmp_path / "file").read_bytes() + (tmp_path / "other").read_bytes() == b"onetwo"


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127])
def test_the_longest_name_has_room_for_its_temporary(tmp_path: Path, name: str) -> None:
    replace_file(str(tmp_path / name), b"one")
    assert (tmp_path / name).read_bytes() == b"one"


def test_what_fails_leaves_the_old_content_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(str(path)) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    directory = tmp_path / "directory"
    directory.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(str(directory), b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["directory", "file"]


def test_a_sync_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    for write in (replace_file, place_file):
        with pytest.raises(OSError, match="input/output"):
            write(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_modes(tmp_path: Path, umask: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    before = os.umask(umask)
    try:
        for directory in (tmp_path, shared):
            replace_file(str(directory / "plain"), b"")
            replace_file(str(directory / "secret"), b"", secret=True)
    finally:
        os.umask(before)
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*") if p.is_file()}
    assert modes == {
        tmp_path / "plain": 0o666 & ~umask,
        shared / "plain": (0o666 & ~umask) | 0o660,
        tmp_path / "secret": 0o600,
        shared / "secret": 0o600,
    }


def test_a_secret_takes_the_place_of_what_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"old")
    path.chmod(0o644)
    replace_file(str(path), b"new", secret=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)


def test_many_writers_and_a_reader_see_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + n]) * (4096 + n) for n in range(4)]
    replace_file(str(path), contents[0])

    def write(content: bytes) -> None:
        for _ in range(50):
            replace_file(str(path), content, durable=False)

    threads = [threading.Thread(target=write, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        seen.add(path.read_bytes())
    for thread in threads:
        thread.join()
    assert seen <= set(contents)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_placed_once(tmp_path: Path, calls: list[str]) -> None:
    path = tmp_path / "file"
    assert place_file(str(path), b"one")
    assert calls == ["file", "directory", "link", "directory"]
    assert not place_file(str(path), b"two")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
