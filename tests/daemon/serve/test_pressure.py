"""What one client, known or not, can keep from others: nothing that they notice.

5,000 connections and 10,000 uploads: `pytest -m campaign tests/daemon/serve/test_pressure.py`.
"""

from __future__ import annotations

import os
import random
import resource
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from mvcd.daemon.notify import Notifier
from mvcd.daemon.serve.connections import ADDRESS_SHARE, OWN_DESCRIPTORS, Connections, place_of
from mvcd.daemon.serve.run import ServerPlan, ServerRun
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate
from mvcd.store.record import record_head
from mvcd.sync.push import push
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.admission import MAX_OF_METHOD, Admission, CallShares
from mvcd.wire.client import Patience
from mvcd.wire.front import address_of
from mvcd.wire.server import MAX_THREADS
from mvcd.wire.uploads import MAX_UPLOADS
from mvcd.wire.v1 import remote_pb2 as pb
from tests.daemon.serve.echo import HERE, SERVICE, Echo
from tests.daemon.serve.servers import BY, QUICK, Server, team
from tests.store.objects import plain
from tests.support.workspace import Bench

FLOOR = 1.5
"""Seconds; a push takes 0.1 s, and a machine that does other things may take longer for once."""
SOON = 10.0
"""Seconds; a flood is over after 1.5 s, and whoever was refused asks again after at most as long."""
REMOTE = f"/{pb.DESCRIPTOR.package}.Remote"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


class Served:
    """A team's server with "iris": ada pushes and is measured, eve does what she likes; both may write."""

    def __init__(self, root: Path, bench: Bench, descriptors: int | None = None) -> None:
        self.root = root
        self.ada = team(root, "iris")
        with Root.open(root) as opened:
            opened.accounts.add_user(BY, "eve")
            opened.accounts.set_grant(BY, "eve", Scope(role=Role.WRITE))
            self.eve = opened.accounts.add_token(BY, "eve")[0]
        self.server = Server(
            "--root", root, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
            descriptors=descriptors,
        )  # fmt: skip
        self._bench = bench
        self._pushes = 0

    def push(self, patience: Patience = QUICK) -> float:
        """Seconds that a push of ada's takes, over a connection of its own, with 2 MiB that are new."""
        self._pushes += 1
        self._bench.write({"model.bin": random.Random(self._pushes).randbytes(2 << 20)})
        self._bench.add()
        id = self._bench.commit().version
        begun = time.monotonic()
        peer = self.server.peer("iris", self.ada, patience=patience)
        before = peer.refs().get("heads/main")
        push(self._bench.repo._core.store, peer, [id], [], monitor=Silent())
        update = RefUpdate("heads/main", before, bytes(id))
        peer.update_refs([update], force=frozenset(["heads/main"]), author="ada", detail="")
        peer.close()
        return time.monotonic() - begun

    def ready(self) -> int:
        try:
            with urllib.request.urlopen(f"http://{self.server.http}/readyz", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def served(tmp_path: Path, bench: Bench) -> Iterator[Served]:
    made = Served(tmp_path / "root", bench)
    with made.server:
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "w") as made:
        yield made


@contextmanager
def silent_calls(
    listen: str, method: str, count: int, token: str | None, *, connections: int = 1
) -> Iterator[list[Any]]:
    """Calls whose headers were sent, and never a message."""
    end = threading.Event()
    metadata = [("authorization", f"Bearer {token}")] if token else []

    def nothing() -> Iterator[bytes]:
        end.wait()
        yield from ()

    with ExitStack() as stack:
        channels = [
            stack.enter_context(
                grpc.insecure_channel(listen, [("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(connections)
        ]
        calls = [
            channels[n % connections]
            .stream_unary(f"{REMOTE}/{method}")
            .future(nothing(), metadata=metadata)
            for n in range(count)
        ]
        try:
            yield calls
        finally:
            end.set()
            for call in calls:
                call.cancel()


@contextmanager
def unread_streams(served: Served, count: int) -> Iterator[None]:
    """Gets of all content, of which nobody reads a byte."""
    peer = served.server.peer("iris", served.ada)
    with ExitStack() as stack:
        store = served._bench.repo._core.store
        ids = [id for id, _ in store.ids()]
        request = pb.GetRequest(repo="iris", ids=b"".join(ids)).SerializeToString()
        metadata = [("authorization", f"Bearer {served.eve}")]
        for _ in range(2):
            channel = stack.enter_context(
                grpc.insecure_channel(served.server.listen, [("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(count // 2):
                call = channel.unary_stream(f"{REMOTE}/Get")(request, metadata=metadata)
                stack.callback(call.cancel)
        yield
    peer.close()


@contextmanager
def watchers(served: Served, count: int) -> Iterator[None]:
    request = pb.WatchRefsRequest(repo="iris").SerializeToString()
    metadata = [("authorization", f"Bearer {served.eve}")]
    with grpc.insecure_channel(served.server.listen) as channel:
        calls = [
            channel.unary_stream(f"{REMOTE}/WatchRefs")(request, metadata=metadata)
            for _ in range(count)
        ]
        for call in calls:
            next(call)
        yield
        for call in calls:
            call.cancel()


@contextmanager
def idle_connections(served: Served, count: int) -> Iterator[list[socket.socket]]:
    """Of clients that said their preface, and nothing since; some may be refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 1000), hard))
    host, port = served.server.listen.split(":")
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(socket.create_connection((host, int(port)), timeout=10))
            with suppress(ConnectionError):
                made[-1].sendall(PREFACE)
        yield made
    finally:
        for each in made:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def slow_connections(served: Served, count: int) -> Iterator[None]:
    """Each sends a byte of its preface now and then."""
    end = threading.Event()

    def trickle(sockets: list[socket.socket]) -> None:
        for at in range(len(PREFACE)):
            for each in sockets:
                with suppress(OSError):
                    each.sendall(PREFACE[at : at + 1])
            if end.wait(0.1):
                return

    host, port = served.server.listen.split(":")
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(count)
        ]
        trickling = threading.Thread(target=trickle, args=(sockets,))
        trickling.start()
        stack.callback(trickling.join)
        stack.callback(end.set)
        yield


@contextmanager
def unfinished_uploads(served: Served, count: int) -> Iterator[None]:
    """Each with one object; as many of them as there may be are kept at work meanwhile."""
    metadata = [("authorization", f"Bearer {served.eve}")]
    leases = Path(served.root, "repos", "iris", "leases")
    end = threading.Event()
    with grpc.insecure_channel(served.server.listen) as channel, ThreadPoolExecutor(16) as pool:
        put = channel.unary_unary(f"{REMOTE}/Put")

        def begin(number: int) -> None:
            data = b"%d" % number
            request = pb.PutRequest(
                repo="iris",
                session=number.to_bytes(16, "big"),
                records=record_head(*plain(data)) + data,
            )
            try:
                put(request.SerializeToString(), metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

        def keep() -> None:
            while not end.wait(0.05):
                list(pool.map(begin, range(count - MAX_UPLOADS, count)))

        list(pool.map(begin, range(count)))
        assert len(os.listdir(leases)) <= MAX_UPLOADS + 1
        with ThreadPoolExecutor(1) as keeping:
            kept = keeping.submit(keep)
            try:
                yield
            finally:
                end.set()
            kept.result()


ATTACKS: dict[str, Callable[[Served], Any]] = {
    "calls without a token": lambda s: silent_calls(s.server.listen, "Put", 48, None),
    "calls without a token, many": lambda s: silent_calls(
        s.server.listen, "Hello", 400, None, connections=10
    ),
    "half-open Puts": lambda s: silent_calls(s.server.listen, "Put", 40, s.eve),
    "half-open Puts, more than may be": lambda s: silent_calls(
        s.server.listen, "Put", 150, s.eve, connections=4
    ),
    "half-open UpdateRefs": lambda s: silent_calls(s.server.listen, "UpdateRefs", 60, s.eve),
    "unread Gets": lambda s: unread_streams(s, 60),
    "watchers": lambda s: watchers(s, 16),
    "idle connections": lambda s: idle_connections(s, 1100),
    "slow connections": lambda s: slow_connections(s, 200),
    "uploads never finished": lambda s: unfinished_uploads(s, 1000),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_anothers_push_takes_no_longer(served: Served, attack: str) -> None:
    undisturbed = sorted(served.push() for _ in range(3))[1]
    with ATTACKS[attack](served):
        disturbed = sorted(served.push() for _ in range(3))[1]
        assert served.ready() == 200
    assert disturbed < max(2 * undisturbed, FLOOR)


@pytest.mark.campaign
def test_anothers_push_beside_10_000_uploads(served: Served) -> None:
    undisturbed = sorted(served.push() for _ in range(3))[1]
    with unfinished_uploads(served, 10_000):
        disturbed = sorted(served.push() for _ in range(3))[1]
    assert disturbed < max(2 * undisturbed, FLOOR)


@pytest.mark.parametrize("count", [1100, pytest.param(5000, marks=pytest.mark.campaign)])
def test_more_connections_than_there_may_be(tmp_path: Path, bench: Bench, count: int) -> None:
    """With 2,304 descriptors there may be 1,024. Who comes when all places are taken waits until the idle ones
    are closed that one address has above its share, and is let in; who comes later notices nothing."""
    most = (2304 - OWN_DESCRIPTORS) // 2
    assert most == 1024 < count
    served = Served(tmp_path / "root", bench, descriptors=2304)
    with served.server:
        undisturbed = sorted(served.push() for _ in range(3))[1]
        with idle_connections(served, count) as made:
            assert served.push(Patience()) < SOON
            deadline = time.monotonic() + SOON
            while sum(not _ended(each, 0.0) for each in made) > most * ADDRESS_SHARE:
                assert connections(served) <= most
                assert time.monotonic() < deadline
                time.sleep(0.05)
            disturbed = sorted(served.push() for _ in range(3))[1]
            assert served.ready() == 200
    assert disturbed < max(2 * undisturbed, FLOOR)


def connections(served: Served) -> int:
    """How many the server holds open, as the kernel tells."""
    port = int(served.server.listen.rpartition(":")[2])
    own = sockets(served.server.process.pid)
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    established = [row for row in rows if row[3] == "01" and row[9] in own]
    return sum(int(row[1].rpartition(":")[2], 16) == port for row in established)


def sockets(pid: int) -> set[str]:
    """Their inodes."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}").removeprefix("socket:[").rstrip("]"))
    return found


def test_who_has_no_token_is_told_before_a_message_comes(served: Served) -> None:
    with silent_calls(served.server.listen, "Put", 3, None) as calls:
        for call in calls:
            assert call.exception(timeout=5).code() is grpc.StatusCode.UNAUTHENTICATED
    with silent_calls(served.server.listen, "Put", MAX_OF_METHOD["Put"] + 5, served.eve) as calls:
        deadline = time.monotonic() + 10
        while sum(call.done() for call in calls) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        turned_away = [call for call in calls if call.done()]
        assert {c.exception().code() for c in turned_away} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(turned_away) == 5


def test_a_call_that_was_cancelled_gives_its_place_back(served: Served) -> None:
    for _ in range(3):
        with silent_calls(served.server.listen, "Put", MAX_OF_METHOD["Put"], served.eve):
            pass
    peer = served.server.peer("iris", served.eve)
    assert peer.refs() == {}
    peer.close()


def test_not_ready_when_no_thread_answers(tmp_path: Path) -> None:
    """The process lives, the port accepts, and nobody is answered."""
    echo = Echo(str(tmp_path))
    process = ServerRun(
        echo, ServerPlan(HERE, None, HERE, reflection=False, drain=0.1), Notifier(None)
    )
    where = process.start()
    assert process._web is not None
    assert process._probe is not None
    process._probe._seconds = 0.2
    try:
        with grpc.insecure_channel(str(where)) as channel, ThreadPoolExecutor(MAX_THREADS) as pool:
            assert process._problem() is None
            wait = channel.unary_unary(f"/{SERVICE}/Wait")
            stuck = [pool.submit(wait, b"", timeout=20) for _ in range(MAX_THREADS)]
            deadline = time.monotonic() + 20
            while (problem := process._problem()) is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert problem is not None and "not answered" in problem
            echo.release.set()
            assert [call.result() for call in stuck] == [b""] * MAX_THREADS
            while process._problem() is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert process._problem() is None
    finally:
        echo.release.set()
        process.end()


def test_a_message_and_a_reader_have_a_deadline(tmp_path: Path) -> None:
    echo = Echo(str(tmp_path))
    process = ServerRun(
        echo, ServerPlan(HERE, None, None, reflection=False, drain=0.1), Notifier(None)
    )
    front = process._frame._server
    front.message_seconds["Say"], front.reader_seconds = 0.1, 0.2
    ended = threading.Event()

    def large(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            for _ in range(1000):
                yield bytes(1 << 20)
        finally:
            ended.set()

    handlers = {"Large": grpc.unary_stream_rpc_method_handler(large)}
    front.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("large", handlers)])
    where = process.start()
    try:
        with grpc.insecure_channel(str(where)) as channel:
            end = threading.Event()

            def nothing() -> Iterator[bytes]:
                end.wait(20)
                yield from ()

            call = channel.stream_unary(f"/{SERVICE}/Say").future(nothing())
            assert call.exception(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
            end.set()
            unread = channel.unary_stream("/large/Large")(b"", timeout=30)
            assert next(unread) == bytes(1 << 20)
            deadline = time.monotonic() + 20
            while front.admission.calls and time.monotonic() < deadline:
                time.sleep(0.02)
            assert front.admission.calls == 0, "nobody reads, and it holds its place"
            assert ended.wait(10), "the stream is closed"
            with pytest.raises(grpc.RpcError) as caught:
                list(unread)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE, "its connection is closed"
    finally:
        process.end()


def test_idle_connections_go_when_there_are_too_many(tmp_path: Path) -> None:
    """Those without a call, and not before; whoever has most loses first."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        port = listening.getsockname()[1]
        pairs = []
        for _ in range(20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            pairs.append((client, stack.enter_context(listening.accept()[0])))
        guard = Connections(most=30)
        busy = [f"ipv4:127.0.0.1:{client.getsockname()[1]}" for client, _ in pairs[:3]]
        assert guard.look(port, busy) == 0, "all are new"
        guard._since = {place: since - 10 for place, since in guard._since.items()}
        assert guard.look(port, busy) == 5, "down to the half that one address may have"
        closed = [n for n, (client, _) in enumerate(pairs) if _ended(client, 0.2)]
        assert len(closed) == 5 and min(closed) == 3, "not the busy ones, and the oldest first"


def _ended(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        while client.recv(1 << 10):
            pass
    except (TimeoutError, BlockingIOError):
        return False
    except ConnectionError:
        pass
    return True


def test_names_of_peers() -> None:
    assert place_of("ipv4:10.0.0.1:51234") == ("10.0.0.1", 51234)
    assert place_of("ipv6:%5B::1%5D:7443") == ("::1", 7443)
    assert place_of("ipv6:[::ffff:10.0.0.1]:80") == ("10.0.0.1", 80)
    assert place_of("unix:") == ("", 0)
    assert address_of("ipv4:10.0.0.1:51234") == "ipv4:10.0.0.1"
    assert address_of("ipv6:%5B2001:db8::1%5D:7443") == "ipv6:[2001:db8::1]"
    assert address_of("unix:") == "unix"


def test_shares() -> None:
    admission = Admission(CallShares(calls=6, strangers=4, at_address=2, of_caller=3))
    assert [admission.arrive("a") is None for _ in range(3)] == [True, True, False]
    assert [admission.arrive("b") is None for _ in range(2)] == [True, True]
    assert admission.arrive("c") is not None, "strangers together"
    for address in "aabb":
        admission.known(address)
    assert [admission.claim("ada", "Has") is None for _ in range(4)] == [True, True, True, False]
    assert admission.claim("eve", "Has") is None
    assert [admission.arrive("a") is None for _ in range(3)] == [True, True, False], "in all"
    admission.leave()
    admission.release("ada", "Has")
    assert admission.claim("ada", "Has") is None
