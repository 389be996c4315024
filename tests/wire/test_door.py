from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mvcd.errors import AuthError
from mvcd.store.memory_store import MemoryStore
from mvcd.wire.client import RemotePeer
from mvcd.wire.host import Caller
from mvcd.wire.server import make_server
from tests.wire.hosts import ONCE, OneStore, OpenRepository


class Admitting(OneStore):
    """Knows at once whose token begins with "known", and others after a look."""

    def __init__(self) -> None:
        super().__init__(OpenRepository(MemoryStore()))
        self.asked: list[tuple[str, str]] = []
        self.admitter = self  # type: ignore[assignment]

    def admit(self, caller: Caller) -> str:
        self.asked.append(("admit", _thread()))
        if caller.token is None:
            raise AuthError("nobody", kind="unauthenticated")
        return caller.token

    def admit_now(self, caller: Caller) -> str | None:
        self.asked.append(("now", _thread()))
        token = caller.token or ""
        if token == "known to be gone":
            raise AuthError("gone", kind="unauthenticated")
        return token if token.startswith("known") else None


def _thread() -> str:
    return threading.current_thread().name.partition("_")[0]


@contextmanager
def asked_by(token: str | None) -> Iterator[tuple[RemotePeer, Admitting]]:
    host = Admitting()
    served = make_server(host)
    port = served.server.add_insecure_port("127.0.0.1:0")
    served.server.start()
    url = f"grpc://127.0.0.1:{port}/r"
    peer = RemotePeer(f"127.0.0.1:{port}", "r", url, token=token, patience=ONCE)
    yield peer, host
    peer.close()
    served.stop(1)


def test_who_is_known_takes_no_thread_of_the_door() -> None:
    with asked_by("known") as (peer, host):
        peer.hello()
        assert host.asked == [("now", "grpc-loop")]


def test_who_is_not_known_yet_is_looked_up_where_waiting_holds_up_nobody() -> None:
    with asked_by("stranger") as (peer, host):
        peer.hello()
        assert host.asked == [("now", "grpc-loop"), ("admit", "door")]


@pytest.mark.parametrize(("token", "why"), [(None, "nobody"), ("known to be gone", "gone")])
def test_who_is_nobody_reaches_no_repository(token: str | None, why: str) -> None:
    with asked_by(token) as (peer, host):
        with pytest.raises(AuthError, match=why):
            peer.hello()
        assert host.seen == []
