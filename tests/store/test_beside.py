"""Reading a store that one may not write, beside writers who cannot see it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store import beside
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.support.memory import in_memory
from tests.support.unprivileged import bound, give_away, take_back

_READER = """
import sys
from mvcd.errors import MvcError
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore

store = LmdbStore.open(sys.argv[1])
assert store.read_only

def look():
    values = set(store.refs().values())
    assert len(values) == 1, values  # all of them moved in one transaction
    return values.pop().decode()

def look_until_last():
    looks, seen = 0, set()
    while seen != {'last'}:
        try:
            seen = {look()}
            looks += 1
        except MvcError as error:
            assert error.kind == 'changed', error
    return looks

def during():
    with store.index.read():
        print('reading', flush=True)
        sys.stdin.readline()
    return 'whole'

def write():
    store.update_refs([RefUpdate('tags/x', None, b'x')])

def collect():
    store.collect(lambda *words: set())

def cache():
    store.cache_put({b'k': b'v'})
    return store.cache_get([b'k'])

verbs = {f.__name__: f for f in (look, look_until_last, during, write, collect, cache)}
print('ready', flush=True)
for line in sys.stdin:
    try:
        print(verbs[line.strip()](), flush=True)
    except MvcError as error:
        print(error.kind, flush=True)
"""
_MANY = 400
pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="one process writes what another may only read"
)


@pytest.fixture
def store() -> Iterator[LmdbStore]:
    with in_memory() as directory:
        with LmdbStore.create(directory / "s") as made:
            yield made
        take_back(directory)


def move(store: LmdbStore, value: bytes) -> None:
    known = store.refs()
    names = [f"tags/{n:04}" for n in range(_MANY)]
    store.update_refs([RefUpdate(name, known.get(name), value) for name in names])


class Reader:
    """A process that may only read the store, and what it says."""

    def __init__(self, store: LmdbStore) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _READER, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=bound,  # noqa: PLW1509 - no thread runs yet
            text=True,
        )  # fmt: skip
        assert self.hears() == "ready"

    def tell(self, words: str) -> None:
        assert self._process.stdin is not None
        print(words, file=self._process.stdin, flush=True)

    def hears(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def ask(self, words: str) -> str:
        self.tell(words)
        return self.hears()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def reader(store: LmdbStore) -> Iterator[Reader]:
    move(store, b"first")
    give_away(Path(store.path))
    made = Reader(store)
    yield made
    made.close()


@pytest.mark.thorough
def test_each_state_is_seen_whole_while_it_is_written(store: LmdbStore, reader: Reader) -> None:
    reader.tell("look_until_last")
    for number in range(60):
        move(store, b"%d" % number)
    move(store, b"last")
    assert int(reader.hears()) > 0


def test_what_was_overwritten_meanwhile_is_not_believed(
    store: LmdbStore, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer waits for such a reader only so long."""
    monkeypatch.setattr(beside, "PATIENCE_SECONDS", 0.01)
    assert reader.ask("during") == "reading"
    move(store, b"second")
    move(store, b"third")
    assert reader.ask("go on") == "changed"
    assert reader.ask("look") == "third"


def test_one_commit_overwrites_nothing(
    store: LmdbStore, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "PATIENCE_SECONDS", 0.01)
    assert reader.ask("during") == "reading"
    move(store, b"second")
    assert reader.ask("go on") == "whole"


def test_a_writer_waits_for_readers(store: LmdbStore, reader: Reader) -> None:
    done = threading.Event()

    def write() -> None:
        move(store, b"second")
        done.set()

    thread = threading.Thread(target=write)
    assert reader.ask("during") == "reading"
    thread.start()
    assert not done.wait(0.1)
    assert reader.ask("go on") == "whole"
    thread.join()
    assert done.is_set()


def test_nothing_is_written(reader: Reader) -> None:
    assert reader.ask("write") == "permission"
    assert reader.ask("collect") == "permission"
    assert reader.ask("cache") == "[None]"
    assert reader.ask("look") == "first"
