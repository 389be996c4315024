"""`mvcd serve --hub` as a process of its own: TLS, options that make no sense, an end without loss."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from mvcd import extras
from mvcd.daemon.serve import hubserver
from mvcd.errors import Failure
from tests.daemon.serve.authority import Authority
from tests.daemon.serve.servers import ENVIRONMENT, Server, team

SECONDS = 30


def asked(
    port: int, path: str, token: str, context: ssl.SSLContext | None = None
) -> tuple[int, object]:
    kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    more = {} if context is None else {"context": context}
    connection = kind("127.0.0.1", port, timeout=SECONDS, **more)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def port_of(server: Server) -> int:
    (serving,) = [line for line in server.log if line["message"] == "serving"]
    return int(serving["hub"].rpartition(":")[2])


def test_served_beside_grpc_told_in_the_log_and_ended(tmp_path: Path) -> None:
    token = team(tmp_path / "root", "team/iris")
    with Server(
        "--root", tmp_path / "root", "--listen", "127.0.0.1:0", "--hub", "127.0.0.1:0"
    ) as server:
        status, told = asked(port_of(server), "/api/models/team/iris", token)
        assert (status, told["id"]) == (200, "team/iris")  # type: ignore[index]
        assert server.peer("team/iris", token).hello().principal == "ada"
        assert server.stop() == 0
        (call,) = [call for call in server.calls() if call["call"] == "describe"]
    assert (call["principal"], call["repo"], call["code"]) == ("ada", "team/iris", 200)
    assert token not in "".join(server.raw)


def test_tls_and_a_renewed_certificate(tmp_path: Path) -> None:
    token = team(tmp_path / "root", "team/iris")
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("localhost")
    options = ("--tls-cert", pair.certificate, "--tls-key", pair.key)
    with Server(
        "--root", tmp_path / "root", "--listen", "127.0.0.1:0", "--hub", "127.0.0.1:0", *options
    ) as server:
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        assert asked(port_of(server), "/api/whoami-v2", token, trusting)[0] == 200
        with pytest.raises(ssl.SSLError):
            asked(port_of(server), "/api/whoami-v2", token, ssl.create_default_context())
        other = Authority(tmp_path / "other")
        again = other.issue("localhost")
        pair.certificate.write_bytes(again.certificate.read_bytes())
        pair.key.write_bytes(again.key.read_bytes())
        renewed = ssl.create_default_context(cafile=str(other.certificate))
        assert asked(port_of(server), "/api/whoami-v2", token, renewed)[0] == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hub", "127.0.0.1:0"), "--hub goes with --root"),
        (("--root", "ROOT", "--hub", ":0"), "can be reached from other machines"),
        (("--root", "ROOT", "--hub", "here"), "is not HOST:PORT"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    command = [o if o != "ROOT" else str(tmp_path / "root") for o in options]
    ran = subprocess.run(
        [sys.executable, "-m", "mvcd.daemon", "serve", *command],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert (ran.returncode, words in ran.stderr) == (2, True)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(Failure, match="needs the extra hub") as caught:
        hubserver.require_extra()
    assert (caught.value.cause, caught.value.help) == (
        "there is no uvicorn",
        "pip install 'mvcd[hub]'",
    )
