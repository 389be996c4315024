from __future__ import annotations

import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from mvcd.daemon.notify import Notifier
from mvcd.daemon.serve import calls
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.run import ServerPlan, ServerRun
from mvcd.daemon.serve.tls import CertificateFiles, Certificates
from mvcd.errors import Failure
from tests.daemon.serve.authority import Authority, Pair
from tests.daemon.serve.echo import SERVICE, Echo, plan
from tests.daemon.serve.test_tls import place


class Running:
    def __init__(self, echo: Echo, plan: ServerPlan) -> None:
        self.echo = echo
        self.process = ServerRun(echo, plan, Notifier(None))
        self.where = self.process.start()
        assert self.process._web is not None
        self.http = str(self.process._web.listen)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def call(self, channel: grpc.Channel, method: str, request: bytes, **options: Any) -> bytes:
        return bytes(channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=20, **options))


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Running] = []

    def make(made: ServerPlan | None = None) -> Running:
        running.append(Running(Echo(str(tmp_path)), made or plan()))
        return running[-1]

    yield make
    for each in running:
        each.echo.release.set()
        if "closed" not in each.echo.ended:
            each.process.end()


def test_calls_are_answered_counted_and_logged(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="mvcd.calls")
    monkeypatch.setattr(calls.log, "disabled", False)  # import-linter's logging.config does that
    running = start()
    with grpc.insecure_channel(str(running.where)) as channel:
        assert running.call(channel, "Say", b"hello") == b"hello"
        count = channel.unary_stream(f"/{SERVICE}/Count")
        assert list(count(b"3", timeout=20)) == [b"0", b"1", b"2"]
        for method in ("Refuse", "Fail"):
            with pytest.raises(grpc.RpcError):
                running.call(channel, method, b"")
    lines = [record.fields for record in caplog.records if record.name == "mvcd.calls"]
    fields = {line["call"]: line for line in lines}
    assert {call: f["code"] for call, f in fields.items()} == {
        "Say": "OK", "Count": "OK", "Refuse": "PERMISSION_DENIED", "Fail": "UNKNOWN",
    }  # fmt: skip
    assert fields["Count"] | {"ms": 0, "peer": ""} == {
        "principal": "ada", "repo": None, "call": "Count", "code": "OK", "ms": 0, "received": 1,
        "sent": 3, "peer": "",
    }  # fmt: skip
    text = running.get("/metrics")[1]
    assert 'mvcd_calls_total{method="Refuse",code="PERMISSION_DENIED"} 1' in text
    assert "mvcd_repositories 7" in text


def test_health_and_reflection(start: Start) -> None:
    running = start()
    with grpc.insecure_channel(str(running.where)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            status = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        assert SERVICE in ProtoReflectionDescriptorDatabase(channel).get_services()
    assert running.get("/healthz") == (200, "ok\n")
    assert running.get("/readyz") == (200, "ok\n")
    assert running.get("/else")[0] == 404


def test_drain_lets_a_call_under_way_finish_and_refuses_new_ones(start: Start) -> None:
    running = start()
    with (
        grpc.insecure_channel(str(running.where)) as channel,
        grpc.insecure_channel(str(running.where)) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        assert running.call(other, "Say", b"before") == b"before"
        under_way = pool.submit(running.call, channel, "Wait", b"kept")
        assert running.echo.entered.wait(20)
        draining = pool.submit(running.process.end)
        while running.get("/readyz") != (503, "draining\n"):
            pass
        assert running.get("/healthz") == (200, "ok\n")
        refused = None
        while refused is None:  # until the server has turned its back
            try:
                running.call(other, "Say", b"after")
            except grpc.RpcError as error:
                refused = error.code()
        assert refused is grpc.StatusCode.UNAVAILABLE
        running.echo.release.set()
        assert under_way.result(20) == b"kept"
        draining.result(20)
    assert running.echo.ended == ["streams", "closed"]


def test_drain_does_not_wait_for_ever(start: Start) -> None:
    running = start(plan(drain=0.2))
    with grpc.insecure_channel(str(running.where)) as channel, ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(running.call, channel, "Wait", b"")
        assert running.echo.entered.wait(20)
        running.process.end()
        with pytest.raises(grpc.RpcError):
            stuck.result(20)
        running.echo.release.set()


def test_a_taken_port_is_told(start: Start) -> None:
    running = start()
    taken = ServerPlan(running.where, None, None, reflection=False, drain=1.0)
    with pytest.raises(Failure) as raised:
        ServerRun(running.echo, taken, Notifier(None)).start()
    assert raised.value.kind == "cannot-listen"
    host, port = running.http.split(":")
    with pytest.raises(Failure):
        ServerRun(
            running.echo, replace(plan(), http=Listen(host, int(port))), Notifier(None)
        ).start()


def secure(where: Listen, authority: Authority, client: Pair | None = None) -> grpc.Channel:
    return grpc.secure_channel(
        str(where),
        grpc.ssl_channel_credentials(
            authority.certificate.read_bytes(),
            client.key.read_bytes() if client else None,
            client.certificate.read_bytes() if client else None,
        ),
    )


def test_a_renewed_certificate_is_served_without_a_restart(start: Start, tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old", "old"), Authority(tmp_path / "new", "new")
    served = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    place(old.issue("server"), served)
    certificates = Certificates(CertificateFiles(str(served.certificate), str(served.key)))
    running = start(plan(certificates))
    with secure(running.where, old) as kept:
        assert running.call(kept, "Say", b"1") == b"1"
        place(new.issue("server"), served)
        with secure(running.where, new) as channel:
            assert running.call(channel, "Say", b"2") == b"2"
        assert running.call(kept, "Say", b"3") == b"3"  # connections go on
    with secure(running.where, old) as channel, pytest.raises(grpc.RpcError):
        running.call(channel, "Say", b"4")


def test_with_a_client_authority_nobody_else_comes_in(start: Start, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    served = ours.issue("server")
    files = CertificateFiles(str(served.certificate), str(served.key), str(ours.certificate))
    running = start(plan(Certificates(files)))
    with secure(running.where, ours, ours.issue("ada", "ada")) as channel:
        assert running.call(channel, "Say", b"in") == b"in"
    for stranger in (None, theirs.issue("eve", "eve")):
        with secure(running.where, ours, stranger) as channel, pytest.raises(grpc.RpcError):
            running.call(channel, "Say", b"out")


def test_two_hundred_idle_connections_are_no_burden(start: Start) -> None:
    running = start()
    idle = [socket.create_connection((running.where.host, running.where.port)) for _ in range(200)]
    web = [socket.create_connection(tuple(running.http.split(":"))) for _ in range(40)]
    try:
        for each in idle[:50]:
            each.sendall(b"PRI * HT")  # slow ones, in the middle of a word
        with grpc.insecure_channel(str(running.where)) as channel:
            assert running.call(channel, "Say", b"still here") == b"still here"
    finally:
        for each in (*idle, *web):
            each.close()
    assert running.get("/readyz") == (200, "ok\n")
