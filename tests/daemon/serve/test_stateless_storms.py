"""Servers without state that come, go and are killed while people push: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from mvcd.errors import Conflict, MvcError
from mvcd.ids import VersionId
from mvcd.store.memory_store import MemoryStore
from mvcd.team import auditlog
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.usage import UPDATED
from mvcd.wire.client import RemotePeer
from tests.daemon.serve.servers import Server
from tests.daemon.serve.spread import STEADY, History, address, spread_team, start
from tests.team.acts import put_version

pytestmark = pytest.mark.thorough

PUSHERS = 4
TIMES = 6
BRANCH = "heads/main"


class Fleet:
    """Servers that come and go; `pick` gives the address of any one of them."""

    def __init__(self, bucket: Path, token: str) -> None:
        self.bucket, self.token = bucket, token
        self._lock = threading.Lock()
        self._servers: list[Server] = []
        self._started = 0

    def add(self) -> None:
        with self._lock:
            number = self._started
            self._started += 1
        server = start(self.bucket, number)
        with self._lock:
            self._servers.append(server)

    def take(self) -> Server:
        """One that nobody is sent to from now on; for the caller to end."""
        with self._lock:
            return self._servers.pop(random.randrange(len(self._servers)))

    def peer(self, repo: str) -> RemotePeer:
        with self._lock:
            server = random.choice(self._servers)
        return server.peer(repo, self.token, patience=STEADY)

    def end(self) -> None:
        for server in self._servers:
            server.stop()


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.stop()


class Storm:
    """People who push to `hot` and put to `cold` until it is over. Each goes on with another server where one
    failed; an update that failed may have landed."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.history = History()
        self.over = threading.Event()
        self.seen, self.cold = MemoryStore(), MemoryStore()
        self.acknowledged: dict[bytes, None] = {}

    def push(self, number: int) -> None:
        failures = done = 0
        while not self.over.is_set():
            peer = self.fleet.peer("hot")
            try:
                while not self.over.is_set():
                    parent = self.history.look(peer, BRANCH)
                    text = f"{number} {done} {failures}"
                    with suppress(Conflict):
                        self.history.move(self.seen, peer, BRANCH, parent, text)
                        done += 1
            except MvcError:
                failures += 1
            finally:
                peer.close()

    def put(self) -> None:
        """Objects that no ref names; each acknowledged one has to be there in the end."""
        while not self.over.is_set():
            peer = self.fleet.peer("cold")
            with suppress(MvcError):
                while not self.over.is_set():
                    id = put_version(self.cold, message=os.urandom(8).hex())
                    (frame,) = self.cold.records([id])
                    peer.put(frame)
                    self.acknowledged[bytes(id)] = None
            peer.close()

    def rage(self, times: int, ending: Callable[[Server], object]) -> None:
        """Adds a server and ends another, so many times."""
        with ThreadPoolExecutor(PUSHERS + 1) as pool:
            work: list[Future[None]] = [pool.submit(self.push, n) for n in range(PUSHERS)]
            work.append(pool.submit(self.put))
            try:
                for _ in range(times):
                    so_far = len(self.history.acts)
                    wait_for(lambda so_far=so_far: len(self.history.acts) > so_far + 20)
                    self.fleet.add()
                    ending(self.fleet.take())
            finally:
                self.over.set()
            for one in work:
                one.result()

    def moves(self) -> int:
        """How many were acknowledged. Fails where one is lost, or an object."""
        last, rest = self.fleet.peer("hot"), self.fleet.peer("cold")
        assert self.acknowledged
        assert all(rest.has([VersionId(id) for id in self.acknowledged]))
        moves = self.history.check(self.seen, last.refs()[BRANCH])
        last.close()
        rest.close()
        return moves


@pytest.mark.parametrize("ending", [kill, Server.stop])
def test_servers_end_under_pushes(tmp_path: Path, ending: Callable[[Server], object]) -> None:
    bucket = tmp_path / "bucket"
    fleet = Fleet(bucket, spread_team(bucket, "hot", "cold"))
    for _ in range(3):
        fleet.add()
    storm = Storm(fleet)
    storm.rage(TIMES, ending)
    moves = storm.moves()
    fleet.end()
    with BucketRoot.open(address(bucket)) as root, root.open_repository("hot") as store:
        assert auditlog.verify(store).ok
        rows = [row for row in auditlog.entries(store) if row.action == UPDATED]
        assert moves <= len(rows) <= moves + PUSHERS * (TIMES + 1)
        assert list(store.check()) == []
        assert len({row.request for row in rows}) == len(rows)  # each update was done once


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
