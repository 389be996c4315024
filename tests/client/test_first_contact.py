"""The table of a first contact: each thing that may be wrong, tried through each verb of the command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mvcd.errors import RemoteUnreachable
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.address import proxy_for
from mvcd.wire.client import Patience
from mvcd.wire.diagnosis import Endpoint, diagnose
from mvcd.wire.dial import dial
from mvcd.wire.schemes import meant_by
from tests.daemon.serve.authority import Authority
from tests.daemon.serve.servers import BY, Server
from tests.support.commandline import Mvc

SECONDS = 3.0
"""What a person waits, in a process that has Python and mvc loaded; and that often more on a busy machine."""
BUSY_FACTOR = 3
VERBS = ("push", "clone", "ls-remote", "login")
FAR = "models.example.org"


@dataclass
class Case:
    """An address at which something is wrong: what is said of it, and the class of the error as exit code."""

    url: str
    cause: str
    help: str
    code: int = 13
    environment: dict[str, str] = field(default_factory=dict)
    verbs: tuple[str, ...] = VERBS


Made = Callable[[ExitStack, Path], Case]


def port(held: socket.socket) -> int:
    return int(held.getsockname()[1])


def unheard(stack: ExitStack) -> socket.socket:
    """A port that is bound, but nobody listens."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return held


@contextmanager
def answering(text: bytes) -> Iterator[int]:
    """A port where each connection gets this text, whatever it says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    one, _ = listening.accept()
                except OSError:
                    return
                with one:
                    one.recv(4096)
                    one.sendall(text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port(listening)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(SECONDS)


def swallowing(stack: ExitStack) -> int:
    """A port whose queue is full: the kernel drops what comes to it, as a firewall does."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    held.listen(0)
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(held.getsockname())
    return port(held)


def refused(stack: ExitStack, tmp: Path) -> Case:
    at = port(unheard(stack))
    return Case(f"grpc://127.0.0.1:{at}/r", f"nobody listens on port {at}", "mvcd serve")


def filtered(stack: ExitStack, tmp: Path) -> Case:
    at = swallowing(stack)
    return Case(
        f"grpc://127.0.0.1:{at}/r", f"nothing comes back from port {at}", "check host and port"
    )


def filtered_tls(stack: ExitStack, tmp: Path) -> Case:
    at = swallowing(stack)
    return Case(
        f"grpcs://127.0.0.1:{at}/r", f"nothing comes back from port {at}", "check host and port"
    )


HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def web(stack: ExitStack, tmp: Path) -> Case:
    at = stack.enter_context(answering(HTTP))
    return Case(f"grpc://127.0.0.1:{at}/r", f"something else answers on port {at}", "7443 (grpcs)")


def web_tls(stack: ExitStack, tmp: Path) -> Case:
    at = stack.enter_context(answering(HTTP))
    return Case(f"grpcs://127.0.0.1:{at}/r", f"something else answers on port {at}", "7443 (grpcs)")


def unknown_host(stack: ExitStack, tmp: Path) -> Case:
    return Case(
        "grpcs://nobody.invalid/r", "nobody.invalid is not known", "mvc remote set-url NAME URL"
    )


def web_address(stack: ExitStack, tmp: Path) -> Case:
    url = f"https://{FAR}/team/iris"
    said = "servers of mvc"
    return Case(url, said, f"grpcs://{FAR}/team/iris", 2)


def no_scheme(stack: ExitStack, tmp: Path) -> Case:
    return Case(f"{FAR}:7443/iris", "", f"grpcs://{FAR}:7443/iris", 2)


def proxy_refuses(stack: ExitStack, tmp: Path) -> Case:
    named = {"https_proxy": f"http://127.0.0.1:{port(unheard(stack))}"}
    help = f"no_proxy={FAR}"
    return Case(
        f"grpcs://{FAR}/r", "which https_proxy names, does not answer", help, environment=named
    )


def proxy_in_capitals(stack: ExitStack, tmp: Path) -> Case:
    named = {"HTTPS_PROXY": f"http://127.0.0.1:{port(unheard(stack))}"}
    return Case(f"grpcs://{FAR}/r", "which HTTPS_PROXY names", "set HTTPS_PROXY", environment=named)


def proxy_denies(stack: ExitStack, tmp: Path) -> Case:
    at = stack.enter_context(answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    said, named = "it says 407 Proxy", {"https_proxy": f"http://127.0.0.1:{at}"}
    return Case(f"grpcs://{FAR}/r", said, f"no_proxy={FAR}", environment=named)


def no_proxy(stack: ExitStack, tmp: Path) -> Case:
    named = {
        "https_proxy": f"http://127.0.0.1:{port(unheard(stack))}",
        "NO_PROXY": "nobody.invalid",
    }
    return Case("grpcs://nobody.invalid/r", "is not known", "check the name", environment=named)


def team(stack: ExitStack, tmp: Path, *options: object) -> tuple[str, dict[str, str]]:
    """A server's address and tokens: good, expired, revoked. Ada may read `ro` and write `iris`."""
    tokens = {}
    with Root.create(tmp / "server") as root:
        for name in ("iris", "ro"):
            root.create_repository(BY, name)
        accounts = root.accounts
        accounts.add_user(BY, "ada")
        accounts.set_grant(BY, "ada", Scope(repos="iris", role=Role.WRITE))
        accounts.set_grant(BY, "ada", Scope(repos="ro", role=Role.READ))
        tokens["good"] = accounts.add_token(BY, "ada")[0]
        tokens["expired"] = accounts.add_token(BY, "ada", expires_us=BY.time_us)[0]
        tokens["revoked"], revoked = accounts.add_token(BY, "ada")
        accounts.revoke_token(BY, revoked.id)
    server = stack.enter_context(
        Server("--root", tmp / "server", "--listen", "127.0.0.1:0", *options)
    )
    return server.listen, tokens


def untrusted(stack: ExitStack, tmp: Path) -> Case:
    pair = Authority(tmp / "authority").issue("server")
    where, _ = team(stack, tmp, "--tls-cert", pair.certificate, "--tls-key", pair.key)
    return Case(f"grpcs://{where}/iris", "is not trusted", f"mvc login grpcs://{where} --ca FILE")


def plain_to_tls(stack: ExitStack, tmp: Path) -> Case:
    pair = Authority(tmp / "authority").issue("server")
    where, _ = team(stack, tmp, "--tls-cert", pair.certificate, "--tls-key", pair.key)
    return Case(f"grpc://{where}/iris", "speaks TLS", f"use grpcs://{where}")


def tls_to_plain(stack: ExitStack, tmp: Path) -> Case:
    where, _ = team(stack, tmp)
    return Case(f"grpcs://{where}/iris", "speaks no TLS", f"use grpc://{where}")


def no_token(stack: ExitStack, tmp: Path) -> Case:
    where, _ = team(stack, tmp)
    return Case(
        f"grpc://{where}/iris",
        "no token was given",
        f"mvc login grpc://{where}",
        12,
        verbs=VERBS[:3],
    )


def wrong_token(stack: ExitStack, tmp: Path) -> Case:
    where, _ = team(stack, tmp)
    return Case(
        f"grpc://{where}/iris", "not one of this server's", "mvc ", 12, {"MVC_TOKEN": "mvct_x"}
    )


def expired_token(stack: ExitStack, tmp: Path) -> Case:
    where, tokens = team(stack, tmp)
    return Case(f"grpc://{where}/iris", "has expired", "mvc ", 12, {"MVC_TOKEN": tokens["expired"]})


def revoked_token(stack: ExitStack, tmp: Path) -> Case:
    where, tokens = team(stack, tmp)
    return Case(f"grpc://{where}/iris", "was revoked", "mvc ", 12, {"MVC_TOKEN": tokens["revoked"]})


def no_such_repository(stack: ExitStack, tmp: Path) -> Case:
    where, tokens = team(stack, tmp)
    named = {"MVC_TOKEN": tokens["good"]}
    return Case(
        f"grpc://{where}/nope",
        "does not exist, or you may not",
        f"mvc whoami grpc://{where}\n",
        10,
        named,
    )


def no_right(stack: ExitStack, tmp: Path) -> Case:
    where, tokens = team(stack, tmp)
    help, named = "mvc admin grant add ada append --repos ro", {"MVC_TOKEN": tokens["good"]}
    return Case(f"grpc://{where}/ro", "it takes the role append", help, 12, named, ("push",))


TABLE: tuple[Made, ...] = (
    refused, filtered, filtered_tls, web, web_tls, unknown_host, web_address, no_scheme, proxy_refuses,
    proxy_in_capitals, proxy_denies, no_proxy, untrusted, plain_to_tls, tls_to_plain, no_token, wrong_token,
    expired_token, revoked_token, no_such_repository, no_right,
)  # fmt: skip

TIMED = """
import json, sys, time
from click.testing import CliRunner
from mvc.cli.main import cli
import mvcd.wire.client, mvcd.repo.share.cloning, mvc.api.repo, mvc.api.remote_verbs
results = []
for words in json.loads(sys.argv[1]):
    begun = time.monotonic()
    done = CliRunner().invoke(cli, words, input="mvct_" + "x" * 20 + chr(10))
    results.append([done.exit_code, done.stdout, done.stderr, time.monotonic() - begun])
print(json.dumps(results))
"""


QUICK = (refused, web, no_token, no_such_repository)
"""Those of the default run; the others, whose packets vanish or whose servers are started, are in the thorough
one."""


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(m, id=m.__name__, marks=() if m in QUICK else pytest.mark.thorough)
        for m in TABLE
    ],
)
def test_what_is_wrong_is_named_at_once(made: Made, saved: Path, tmp_path: Path) -> None:
    import json

    with ExitStack() as stack:
        case = made(stack, tmp_path)
        words = {
            "push": ["push", case.url], "clone": ["clone", case.url, str(tmp_path / "there")],
            "ls-remote": ["ls-remote", case.url], "login": ["login", case.url],
        }  # fmt: skip
        asked = [words[verb] for verb in case.verbs]
        cleared = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        cleared.pop("MVC_TOKEN", None)
        environment = {
            **cleared,
            "MVC_CONFIG": str(tmp_path / "me/config.toml"),
            **case.environment,
        }
        done = subprocess.run(
            [sys.executable, "-c", TIMED, json.dumps(asked)], cwd=saved, env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    for verb, (code, out, err, seconds) in zip(case.verbs, json.loads(done.stdout), strict=True):
        told = f"{verb}: {out}{err}"
        assert code == case.code, told
        assert "error: " in err and "help: " in err and "Traceback" not in err, told
        assert case.cause in err and case.help in err, told
        assert seconds < SECONDS * BUSY_FACTOR, f"{verb} took {seconds:.1f} s"
        assert "mvct_" not in err, told
    assert not (tmp_path / "there").exists()


def test_packets_that_vanish_are_given_up_soon() -> None:
    """Where gRPC connects anew for a minute, the first call ends after one knock."""
    with ExitStack() as stack:
        at = swallowing(stack)
        peer = dial(
            f"grpc://127.0.0.1:{at}/r", token=None, options={}, patience=Patience(total=600.0)
        )
        stack.callback(peer.close)
        with pytest.raises(RemoteUnreachable) as caught:
            peer.refs()
    assert caught.value.kind == "no-answer"


def test_who_has_answered_once_is_waited_for(tmp_path: Path) -> None:
    """A server that goes away in the midst of work may come back: the port is not asked about then."""
    with ExitStack() as stack, ExitStack() as served:
        where, tokens = team(served, tmp_path)
        heard: list[str] = []
        patience = Patience(first=0.01, most=0.02, total=0.1, tell=heard.append)
        peer = dial(f"grpc://{where}/iris", token=tokens["good"], options={}, patience=patience)
        stack.callback(peer.close)
        assert peer.refs() == {}
        served.close()
        with pytest.raises(RemoteUnreachable) as caught:
            peer.refs()
    assert caught.value.kind == "remote-unreachable"
    assert len(heard) == 1 and "trying again" in heard[0]


def test_a_server_that_only_takes_its_time_is_not_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = Endpoint("127.0.0.1", port(mute), "grpc://x", secure=False)
        assert diagnose(place, 0.2) is None


def test_a_proxy_is_told_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://ada:s%40t@127.0.0.1:1")
    found = proxy_for(FAR)
    assert found is not None
    assert found.authorization == "Proxy-Authorization: Basic YWRhOnNAdA==\r\n"
    assert "ada" not in found.shown


@pytest.mark.parametrize(
    "word, meant",
    [
        ("https://models.example.org/a/b", "grpcs://models.example.org/a/b"),
        ("http://localhost:7400/a", "grpc://localhost:7400/a"),
        ("models.example.org/a", "grpcs://models.example.org/a"),
        ("box:7443/a/b", "grpcs://box:7443/a/b"),
        ("127.0.0.1:7400/a", "grpc://127.0.0.1:7400/a"),
        ("git@box:team/iris", "ssh://git@box/~/team/iris"),
        ("ada@box:/srv/iris", "ssh://ada@box/srv/iris"),
        ("grpcs:/box/a", "grpcs://box/a"),
        ("../a.b/c", None),
        ("data/model.v2/c", None),
        ("/srv/models.example.org/a", None),
        ("s3://bucket/a", None),
    ],
)
def test_what_an_address_may_have_meant(word: str, meant: str | None) -> None:
    assert meant_by(word) == meant


def test_a_directory_of_such_a_name_is_a_directory(saved: Path, mvc: Mvc) -> None:
    mvc("init", "--bare", "./models.example.org/iris")
    mvc("push", "models.example.org/iris")
    assert "heads/main" in mvc("ls-remote", "models.example.org/iris").out
