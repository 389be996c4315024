"""Stores by their address: what a killed writer left is there at once, unless who opens one only looks."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.store.stores import create_store, open_store
from tests.store.objects import plain
from tests.store.test_salvage import OBJECTS, killed, put_all

IDS = [id for id, _, _ in OBJECTS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one object, and what a writer left that was killed."""
    with create_store(tmp_path) as store, store.session() as session:
        session.put(*plain(b"before"))
        session.commit()
    killed(tmp_path, put_all)
    return tmp_path


@contextmanager
def no_file_grows() -> Iterator[None]:
    """As on a full disk: each write fails with EFBIG, in this very process."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_a_killed_writer_left_is_there_when_a_store_opens(path: Path) -> None:
    with open_store(path) as store:
        assert all(store.has(IDS))
        assert list(store.check()) == []


def test_who_only_looks_changes_nothing(path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in path.rglob("*") if p.is_file()}

    before = files()
    with open_store(path, as_it_is=True) as store:
        assert not any(store.has(IDS))
        assert {n: d for n, d in files().items() if n != "lock.mdb"} == {
            n: d for n, d in before.items() if n != "lock.mdb"
        }
        assert list(store.check()) == []  # which notes in the cache that it read the packs
        with store.session() as session:
            assert not any(session.missing(IDS))


def test_a_full_disk_keeps_nobody_from_reading(path: Path) -> None:
    id, _ = plain(b"before")
    with no_file_grows():
        store = open_store(path)
        assert store.get(id) == b"before"
        assert not any(store.has(IDS))
        with pytest.raises(Failure) as caught:
            store.session()
        assert caught.value.kind == "disk-full"
        store.close()
    with open_store(path) as store:
        assert all(store.has(IDS))
