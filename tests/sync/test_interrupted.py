"""Transfers that are cut: by a failing call at every step, and by kill -9. The next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mvcd.errors import RemoteUnreachable
from mvcd.ids import Bytes, Digest
from mvcd.repo.core import connecting
from mvcd.store.api import RefUpdate
from mvcd.store.frames import RecordFrame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.peer import Peer, Receipt
from tests.sync.people import Pair, noise

FILES = {"model.bin": noise(6 << 20, 1), **{f"data/{n}.txt": f"{n}\n" * 50 for n in range(40)}}


class Counting:
    """A peer in front of another: counts calls and bytes, and fails at the n-th call if told to."""

    def __init__(self, inner: Peer, fail_at: int = 0) -> None:
        self._inner = inner
        self._fail_at = fail_at
        self.calls: list[str] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return self._inner.url

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self._fail_at:
            raise RemoteUnreachable("the cable was pulled")

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        self._call("refs")
        return self._inner.refs(prefix)

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        self._call("has")
        return self._inner.has(ids)

    def put(self, frame: Bytes) -> None:
        self._call("put")
        self.sent += len(frame)
        self._inner.put(frame)

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        self._call("records")
        for frame in self._inner.records(ids):
            self.sent += len(frame.data)
            yield frame

    def update_refs(self, updates: Sequence[RefUpdate], **options: Any) -> Receipt:
        self._call("update_refs")
        return self._inner.update_refs(updates, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`wire(fail_at)` puts a counting peer before all that are connected from now on; answers them."""
    real = connecting.connect

    def put(fail_at: int = 0) -> list[Counting]:
        made: list[Counting] = []

        def connect(*arguments: Any, **named: Any) -> Any:
            made.append(Counting(real(*arguments, **named), fail_at))
            return made[-1]

        monkeypatch.setattr(connecting, "connect", connect)
        return made

    return put


def test_pushing_nothing_is_one_call(pair: Pair, wire: Any) -> None:
    pair.ada.save(FILES)
    made = wire()
    pair.ada.push()
    whole = len(made[-1].calls)
    pair.ada.push()
    assert made[-1].calls == ["refs"]
    pair.ada.save({"data/3.txt": "changed\n"})
    pair.ada.push()
    assert len(made[-1].calls) <= min(whole, 8)
    assert made[-1].sent < 20_000


def test_calls_do_not_grow_with_the_number_of_files(pair: Pair, wire: Any) -> None:
    made = wire()
    pair.ada.save({f"a/{n}.txt": f"{n}" for n in range(20)})
    pair.ada.push()
    few = len(made[-1].calls)
    pair.ada.save({f"b/{n}.txt": f"{n} more" for n in range(2000)})
    pair.ada.push()
    assert len(made[-1].calls) <= few + 6


def test_a_push_cut_at_every_call_goes_on(pair: Pair, wire: Any) -> None:
    pair.ada.save(FILES)
    for fail_at in range(1, 100):
        made = wire(fail_at)
        try:
            pair.ada.push()
        except RemoteUnreachable:
            with LmdbStore.open(pair.url) as shared:
                assert shared.refs() == {}
                assert not list(shared.check())
            continue
        break
    assert made[-1].calls[-1] == "update_refs"
    wire()
    assert pair.join().files() == pair.ada.files()


def test_a_pull_cut_at_every_call_goes_on_where_it_was(pair: Pair, wire: Any) -> None:
    pair.ada.save({"first": "1"})
    pair.ada.push()
    bob = pair.join()
    pair.ada.save(FILES)
    pair.ada.push()
    for fail_at in range(1, 100):
        made = wire(fail_at)
        try:
            bob.pull()
        except RemoteUnreachable:
            assert bob.files() == {"first": b"1"}
            assert bob.repo.verify().ok
            continue
        break
    assert len(made[-1].calls) == fail_at - 1
    assert bob.files() == pair.ada.files()


SCRIPT = """
import sys, os
sys.path[:0] = {path!r}
from tests.support.engine import Repository
from mvcd.repo.records.results import Context
from mvcd.repo.share.pushing import Asked
from mvcd.sync import local
real, count = local.LocalPeer.put, [0]
def put(self, frame):
    real(self, frame)
    count[0] += 1
    if count[0] == {at}:
        os.kill(os.getpid(), 9)
local.LocalPeer.put = put
Repository.open({root!r}).push(None, Asked(), context=Context("a", 1))
"""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_arrived_before_kill_9_is_not_sent_again(pair: Pair, wire: Any, at: int) -> None:
    pair.ada.save(FILES)
    path = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "client")]
    script = SCRIPT.format(path=path, at=at, root=str(pair.ada.root))
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    with LmdbStore.open(pair.url) as shared:
        shared.salvage()
        arrived = sum(info.stored_size for _, info in shared.ids())
        assert shared.refs() == {}
    assert arrived > (at - 1) * (1 << 20), "all but the last MiB"
    made = wire()
    pair.ada.push()
    assert made[-1].sent < (6 << 20) + 200_000 - arrived
    assert pair.join().files() == pair.ada.files()


def test_a_clone_that_was_cut_is_completed_by_the_same_command(pair: Pair, wire: Any) -> None:
    pair.ada.save(FILES)
    pair.ada.push()
    wire(6)
    with pytest.raises(RemoteUnreachable):
        pair.join()
    wire()
    bob = pair.join()
    assert bob.files() == pair.ada.files()
    assert bob.repo.status().clean
