"""Servers that are killed or ended amid pushes, and what clients that vanish leave behind."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from mvcd.errors import MvcError
from mvcd.store.frames import gather
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.pack import BUFFER_BYTES
from mvcd.store.record import record_head
from tests.store.objects import plain
from tests.support.proxy import Proxy
from tests.wire.conftest import History
from tests.wire.hosts import ONCE, calling, serving

SOURCES = Path(__file__).resolve().parents[2]
SECONDS = 30.0


@contextmanager
def process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "tests.wire.server_process", str(directory)]
    with subprocess.Popen(command, cwd=SOURCES, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


def die(history: History, directory: Path, at: int, how: signal.Signals) -> None:
    """Ends the server once `at` bytes of a push have gone to it; a second server gets the rest."""
    with process(directory) as (server, port), Proxy(port) as proxy:
        peer = calling(proxy.port, patience=ONCE)
        pushed: list[bool] = []

        def push() -> None:
            try:
                history.push(peer)
                pushed.append(True)
            except MvcError:
                pushed.append(False)

        pushing = threading.Thread(target=push)
        pushing.start()
        deadline = time.monotonic() + SECONDS
        while proxy.carried["up"] < at and pushing.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(server.pid, how)
        server.wait(SECONDS)
        assert server.returncode == (0 if how is signal.SIGTERM else -how)
        pushing.join(SECONDS)
        peer.close()
    with LmdbStore.open(directory) as store:
        assert list(store.check()) == []
        assert store.refs() in ({}, {"heads/main": bytes(history.versions[1])})
        assert not pushed[0] or store.refs(), "what was acknowledged is there"
        moved = bool(store.refs())
    if not moved:
        with process(directory) as (_, port):
            peer = calling(port)
            history.push(peer)
            peer.close()
    with LmdbStore.open(directory) as store:
        assert {id for id, _ in store.ids()} == {id for id, _ in history.store.ids()}
        assert list(store.check()) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_dies_in_a_push(
    history: History, tmp_path: Path, how: signal.Signals
) -> None:
    for share in (0.3, 1.0):
        die(history, tmp_path / f"{share}", int(share * history.stored), how)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100))
def test_a_server_that_dies_anywhere(history: History, tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    at = source.randrange(int(1.1 * history.stored))
    die(history, tmp_path / "s", at, source.choice([signal.SIGKILL, signal.SIGTERM]))


def test_what_a_killed_server_acknowledged_is_not_sent_again(tmp_path: Path) -> None:
    """But for the last MiB, which waits to be written in one piece."""
    data = [os.urandom(200_000) for _ in range(60)]
    ids = [plain(one)[0] for one in data]
    records = (record_head(*plain(one)) + one for one in data)
    with process(tmp_path / "s") as (server, port):
        peer = calling(port, patience=ONCE)
        for frame in gather((record, 200_000) for record in records):
            peer.put(frame)
        server.kill()
        server.wait(SECONDS)
        peer.close()
    with process(tmp_path / "s") as (_, port):
        peer = calling(port)
        assert sum(200_000 for here in peer.has(ids) if not here) <= BUFFER_BYTES + 200_000
        peer.close()
    with LmdbStore.open(tmp_path / "s") as store:
        assert list(store.check()) == []


def test_idle_and_slow_connections_keep_nobody_out(history: History) -> None:
    store = MemoryStore()
    served, port = serving(store)
    with ExitStack() as open_ones:
        for n in range(200):
            idle = socket.create_connection(("127.0.0.1", port))
            open_ones.enter_context(idle)
            idle.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[: n % 25])
        peer = calling(port)
        history.push(peer)
        peer.close()
    served.stop(1)
    assert store.refs() == {"heads/main": bytes(history.versions[1])}


def test_clients_that_vanish_in_the_middle(history: History) -> None:
    """Each one's line is cut for good amid its push; the next one's push is whole."""
    store = MemoryStore()
    served, port = serving(store)

    def vanish(number: int) -> None:
        with Proxy(port) as proxy:
            peer = calling(proxy.port, patience=ONCE)
            proxy.cut_after(up=1 + number * history.stored // 16)
            with suppress(MvcError):  # unless the others sent so much that the rest fits
                history.push(peer)
            peer.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(vanish, range(16)))
    peer = calling(port)
    history.push(peer)
    peer.close()
    assert {id for id, _ in store.ids()} == {id for id, _ in history.store.ids()}
    served.stop(1)
