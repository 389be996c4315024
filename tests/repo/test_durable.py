"""What is acknowledged is on the disk with every directory on the way to it; leases and settings too."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mvcd.errors import MvcError
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.store.objects import plain
from tests.support.engine import Repository
from tests.support.workspace import Bench


class Synced:
    """Directories whose names of the moment are durable: each fsync of a directory is recorded with them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        real, whole = os.fsync, os.sync

        def fsync(file: int) -> None:
            real(file)
            path = os.readlink(f"/proc/self/fd/{file}")
            if os.path.isdir(path):
                self.names.update(os.path.join(path, name) for name in os.listdir(path))

        def sync() -> None:
            whole()
            self.everything = True

        self.everything = False
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "sync", sync)

    def require(self, path: Path, below: Path) -> None:
        """`path` and all directories on the way from `below` would be there after a power failure."""
        while path != below and not self.everything:
            assert str(path) in self.names, path
            path = path.parent


def test_init_syncs_every_directory_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from mvc.cli.main import cli

    synced = Synced(monkeypatch)
    done = CliRunner().invoke(
        cli, ["init", str(tmp_path / "a/b/c"), "--store", str(tmp_path / "d/e/store")]
    )
    assert done.exit_code == 0, done.output
    synced.require(tmp_path / "a/b/c/.mvc/config.toml", tmp_path)
    for name in ("format", "packs", "leases", "data.mdb", "refs.journal"):
        synced.require(tmp_path / "d/e/store" / name, tmp_path)


def test_clone_and_checkout_sync_every_directory_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench(tmp_path / "ada") as bench:
        bench.save({"x/y/z/deep.txt": "1", "x/flat.txt": "2"})
        synced = Synced(monkeypatch)
        repo, _ = Repository.clone(
            str(bench.root), str(tmp_path / "p/q/bob"), context=bench.context(), secret=lambda _: {}
        )
        repo.close()
        synced.require(tmp_path / "p/q/bob/.mvc/store/format", tmp_path)
        synced.require(tmp_path / "p/q/bob/x/y/z/deep.txt", tmp_path)
        synced.require(tmp_path / "p/q/bob/x/flat.txt", tmp_path)
        bench.save({"x/new/er/file.txt": "3"})
        bench.checkout("v1")
        synced.names.clear()
        bench.checkout("v2")
        synced.require(bench.root / "x/new/er/file.txt", bench.root)


def test_a_setting_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(tmp_path / "ada") as bench:
        synced = Synced(monkeypatch)
        bench.repo.config.set("user.name", "Ada")
        assert str(bench.root / ".mvc/config.toml") in synced.names


@pytest.mark.timeout(20)
def test_a_session_makes_the_directory_of_leases(tmp_path: Path) -> None:
    with LmdbStore.create(tmp_path / "s") as store:
        id, encoded = plain(b"1")
        with store.session() as session:
            session.put(id, encoded)
            session.commit()
        shutil.rmtree(tmp_path / "s/leases")
        store.collect(lambda *_: [id])
        with store.session() as session:
            assert session.missing([id]) == [False]
            session.commit([RefUpdate("a", None, b"1")])
        assert os.path.isdir(tmp_path / "s/leases")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_where_no_lease_can_be_made_a_session_fails(tmp_path: Path, what: str) -> None:
    with LmdbStore.create(tmp_path / "s") as store:
        shutil.rmtree(tmp_path / "s/leases")
        if what == "file":
            (tmp_path / "s/leases").write_bytes(b"")
        else:
            (tmp_path / "s/leases").symlink_to("nowhere/at/all")
        id, encoded = plain(b"1")
        with store.session() as session, pytest.raises(MvcError):
            session.put(id, encoded)
            session.commit()
