"""Syncs: each by itself up to a number, then everything; and directories that cannot be listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvcd.disk.renames import move_durably
from mvcd.disk.sync import SYNC_EACH_FILES, sync_directories, sync_directory, sync_files


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Inodes that were synced, and None for a sync of everything."""
    found: list[object] = []
    monkeypatch.setattr(os, "fsync", lambda file: found.append(os.fstat(file).st_ino))
    monkeypatch.setattr(os, "sync", lambda: found.append(None))
    return found


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    real = os.open

    def refusing(name: str, flags: int, mode: int = 0o777) -> int:
        if name == str(path):
            raise PermissionError(13, "permission denied", name)
        return real(name, flags, mode)

    monkeypatch.setattr(os, "open", refusing)


def test_a_directory_that_cannot_be_listed_is_synced_with_everything(
    tmp_path: Path, synced: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, other = tmp_path / "closed", tmp_path / "other"
    closed.mkdir()
    other.mkdir()
    refuse_to_open(monkeypatch, closed)
    sync_directory(str(closed))
    assert synced == [None]
    sync_directories([str(closed), str(other)])
    assert synced == [None, None]


def test_directories_that_are_gone_have_no_names(tmp_path: Path, synced: list[object]) -> None:
    (tmp_path / "file").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("gone", "file", ".")]
    sync_directories(paths)
    assert synced == [tmp_path.stat().st_ino]
    with pytest.raises(FileNotFoundError):
        sync_directory(paths[0])


def test_many_are_synced_at_once(tmp_path: Path, synced: list[object]) -> None:
    paths = [str(tmp_path)] * SYNC_EACH_FILES
    sync_directories(paths)
    assert synced == [tmp_path.stat().st_ino] * SYNC_EACH_FILES
    synced.clear()
    sync_directories([*paths, str(tmp_path)])
    sync_files([*paths, str(tmp_path)])
    assert synced == [None, None]


def test_links_have_no_bytes(tmp_path: Path, synced: list[object]) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to("nowhere")
    sync_files([str(tmp_path / "link"), str(tmp_path / "file")])
    assert synced == [(tmp_path / "file").stat().st_ino]


def test_a_durable_move_syncs_both_directories(tmp_path: Path, synced: list[object]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    (old / "file").write_bytes(b"bytes")
    move_durably(str(old / "file"), str(new / "name"))
    assert (new / "name").read_bytes() == b"bytes"
    assert set(synced) == {old.stat().st_ino, new.stat().st_ino}
