"""The first day with a server: what goes wrong is named at once, with what helps, and with no secret."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mvcd.errors import Failure, RemoteUnreachable, UsageError
from mvcd.team.root import Root, make_private
from mvcd.wire.address import is_loopback, proxy_for, require_no_secret, shown
from mvcd.wire.client import Patience
from mvcd.wire.dial import dial
from tests.daemon.serve.authority import Authority, Pair, _openssl
from tests.daemon.serve.servers import SOURCES, Server
from tests.support.commandline import Mvc

SECONDS = 10.0
"""For what takes half of one: starting Python, one call, one knock. It was 60."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def serving(root: Path, *options: object) -> Iterator[Server]:
    with Root.create(root):
        pass
    with Server("--root", root, "--listen", "127.0.0.1:0", *options) as server:
        yield server


def tls(pair: Pair) -> list[object]:
    return ["--tls-cert", pair.certificate, "--tls-key", pair.key]


class Said:
    """What a process of its own said, for gRPC writes to the terminal past Python."""

    def __init__(self, tmp_path: Path, *words: str, **environment: str) -> None:
        cleared = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "mvc", *words], capture_output=True, text=True, cwd=tmp_path,
            env={
                **cleared, "HOME": str(tmp_path), "MVC_CONFIG": str(tmp_path / "me/config.toml"),
                "PYTHONPATH": os.pathsep.join([str(SOURCES), str(SOURCES / "client")]),
                "MVC_TOKEN": "mvct_" + "x" * 20, **environment,
            },
        )  # fmt: skip
        self.seconds = time.monotonic() - begun
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def named(self, cause: str, help: str, *, code: int = 13) -> None:
        lines = self.err.splitlines()
        assert self.code == code, self.err
        assert all(line.startswith(("error:", "cause:", "help:", "warning:")) for line in lines), (
            self.err
        )
        assert cause in self.err and help in self.err, self.err
        assert self.seconds < SECONDS
        assert "mvct_" not in self.err


def test_an_untrusted_certificate(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path / "s", *tls(authority.issue("server"))) as server:
        url = f"grpcs://{server.listen}/r"
        Said(tmp_path, "clone", url).named(
            "is not trusted", f"mvc login grpcs://{server.listen} --ca"
        )
        trusted = Said(tmp_path, "login", url, "--ca", str(authority.certificate))
        trusted.named("the token is not one", "mvc admin token add NAME", code=12)


def test_a_name_that_does_not_match(tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue("server", "elsewhere", names="DNS:models.example.org")
    with serving(tmp_path / "s", *tls(pair)) as server:
        said = Said(
            tmp_path, "login", f"grpcs://{server.listen}/r", "--ca", str(authority.certificate)
        )
        said.named("is not for 127.0.0.1", "a name that it is for")


def expired(authority: Authority, directory: Path) -> Pair:
    pair, request = Pair(directory / "old.pem", directory / "old.key"), directory / "old.csr"
    settings = directory / "ca.cnf"
    (directory / "index").touch()
    settings.write_text(
        f"[ca]\ndefault_ca = d\n[d]\ndatabase = {directory}/index\nnew_certs_dir = {directory}\n"
        "rand_serial = yes\ndefault_md = sha256\npolicy = p\ncopy_extensions = copy\n"
        "[p]\ncommonName = supplied\n"
    )
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        pair.key, "-out", request, "-subj", "/CN=old", "-addext", "subjectAltName=IP:127.0.0.1",
    )  # fmt: skip
    _openssl(
        "ca", "-batch", "-notext", "-config", settings, "-in", request, "-out", pair.certificate,
        "-cert", authority._pair.certificate, "-keyfile", authority._pair.key,
        "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
    )  # fmt: skip
    return pair


def test_an_expired_one(tmp_path: Path, authority: Authority) -> None:
    pair = expired(authority, tmp_path)
    with serving(tmp_path / "s", *tls(pair)) as server:
        said = Said(
            tmp_path, "login", f"grpcs://{server.listen}/r", "--ca", str(authority.certificate)
        )
        said.named("has expired", "renews it")


def test_a_server_that_wants_a_certificate(tmp_path: Path, authority: Authority) -> None:
    options = [*tls(authority.issue("server", "mutual")), "--client-ca", authority.certificate]
    with serving(tmp_path / "s", *options) as server:
        said = Said(
            tmp_path, "login", f"grpcs://{server.listen}/r", "--ca", str(authority.certificate)
        )
        said.named("shows a certificate that it knows", "remote.NAME.certificate")


def test_plain_text_to_tls_and_the_reverse(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path / "s", *tls(authority.issue("server"))) as server:
        url = f"grpc://{server.listen}/r"
        Said(tmp_path, "clone", url).named("speaks TLS", f"use grpcs://{server.listen}")
    with serving(tmp_path / "p") as server:
        url = f"grpcs://{server.listen}/r"
        Said(tmp_path, "clone", url).named("speaks no TLS", f"use grpc://{server.listen}")


def test_a_wrong_port(tmp_path: Path) -> None:
    with socket.socket() as held:  # bound, but nobody listens
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        said = Said(tmp_path, "clone", f"grpc://127.0.0.1:{port}/r")
    said.named(f"nobody listens on port {port}", "check the port")


def test_something_else_at_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def answer() -> None:
            while True:
                try:
                    one, _ = web.accept()
                except OSError:
                    return
                with one:
                    one.recv(1000)
                    one.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        port = web.getsockname()[1]
        said = Said(tmp_path, "clone", f"grpc://127.0.0.1:{port}/r")
        web.shutdown(socket.SHUT_RDWR)
    said.named("something else answers", "check the port")


# ---------------------------------------------------------------------- proxies


def test_loopback_goes_through_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy, serving(tmp_path / "s") as server:

        def listen() -> None:
            while True:
                try:
                    one, _ = proxy.accept()
                except OSError:
                    return
                with one:
                    seen.append(one.recv(400))

        threading.Thread(target=listen, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            said = Said(tmp_path, "clone", f"grpc://{server.listen}/r", **{name: address})
            said.named("the token is not one", "mvc login", code=12)
        monkeypatch.setenv("https_proxy", address.replace("//", "//ada:hush@"))
        far = dial(
            "grpcs://models.example.org/r", token=None, options={}, patience=Patience(total=0.0)
        )
        with pytest.raises(RemoteUnreachable) as caught:
            far.refs()
        far.close()
        proxy.shutdown(socket.SHUT_RDWR)
    assert caught.value.cause is not None
    assert f"the proxy {address}, which https_proxy names" in caught.value.cause
    assert "hush" not in caught.value.cause
    assert seen and all(b"models.example.org" in line for line in seen), "the other host's only"


def test_which_proxy() -> None:
    def named(host: str, environment: dict[str, str]) -> str | None:
        found = proxy_for(host, environment)
        return None if found is None else found.shown

    both = {"https_proxy": "http://u:p@proxy.example:3128", "http_proxy": "other:1"}
    assert named("far.example", both) == "http://proxy.example:3128, which https_proxy names"
    assert (
        named("far.example", {"http_proxy": "other:1"}) == "http://other:1, which http_proxy names"
    )
    loud = {"HTTPS_PROXY": "other", "NO_PROXY": "near.example"}
    assert named("far.example", loud) == "http://other, which HTTPS_PROXY names"
    assert named("near.example", loud) is None
    assert named("far.example", {**both, "no_proxy": "near.example,far.example"}) is None
    assert named("10.1.2.3", {**both, "no_proxy": "10.0.0.0/8"}) is None
    assert named("far.example", {}) is None
    assert named("far.example", {"https_proxy": "http://proxy:port"}) is None
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1", "LocalHost"):
        assert is_loopback(host) and named(host, both) is None
    assert not is_loopback("localhost.example")


# ---------------------------------------------------------------------- secrets

TOKEN = "mvct_" + "Abc123-_" * 5
WITH_SECRETS = [
    f"grpcs://{TOKEN}@host/team/iris",
    f"grpcs://ada:{TOKEN}@host/team/iris",
    "grpcs://ada:hushhush@host:7443/team/iris",
    "grpcs://hushhush@host/team/iris",
    "grpcs://hushhush%40host/team/iris",
    "grpcs://ada%3Ahushhush%40host/team/iris",
    "grpcs://ada%253Ahushhush%2540host/team/iris",
    "grpcs://host/team/iris?token=hushhush",
    "grpcs://host/team/iris#hushhush",
    "grpcs://host/team/iris%3Ftoken=hushhush",
    f"grpcs://host/{TOKEN}/iris",
    "grpcs://host/" + TOKEN.replace("_", "%5F") + "/iris",
    "grpc://ada:hushhush@127.0.0.1/iris",
    "ssh://ada:hushhush@host/srv/iris",
    f"ssh://{TOKEN}@host/srv/iris",
    "ssh://host/srv/iris?hushhush",
    "https://ada:hushhush@host/team/iris",
    f"file:///srv/{TOKEN}",
    f"{TOKEN}@host:iris",
]


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_no_secret_is_accepted_kept_or_shown(url: str, mvc: Mvc, saved: Path) -> None:
    words = (
        ["remote", "add", "origin", url], ["clone", url, "there"], ["push", url], ["fetch", url],
        ["ls-remote", url], ["config", "set", "remote.origin.url", url], ["login", url],
    )  # fmt: skip
    for each in words:
        said = mvc(*each, code=2, input="mvct_x\n")
        assert "mvc login" in said.err
        for secret in ("hushhush", TOKEN, TOKEN[5:], TOKEN.replace("_", "%5F")):
            assert secret not in said.err + said.out
    settings = (saved / ".mvc/config.toml").read_text()
    assert "hushhush" not in settings and TOKEN not in settings


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_one_that_was_written_by_hand_is_neither_shown_nor_used(
    url: str, mvc: Mvc, saved: Path
) -> None:
    with open(saved / ".mvc/config.toml", "a") as file:
        file.write(f'[remote.origin]\nurl = "{url}"\n')
    for words in (
        ["remote"],
        ["remote", "--help"],
        ["config", "list"],
        ["config", "get", "remote.origin.url"],
    ):
        said = mvc(*words)
        assert "hushhush" not in said.out and TOKEN not in said.out
    for words in (["push"], ["fetch"]):
        said = mvc(*words, code=None)
        assert said.code != 0
        assert "hushhush" not in said.err and TOKEN not in said.err


@pytest.mark.parametrize(
    "url",
    ["grpcs://models.example.org/team/iris", "grpc://127.0.0.1:7400/r", "grpc://[::1]:7400/r",
     "ssh://ada@host:22/~/w", "file:///srv/a%20b", "/srv/a@b", "../a#b", "grpcs://host/model@v2"],
)  # fmt: skip
def test_honest_addresses(url: str) -> None:
    require_no_secret(url)
    assert shown(url) == url


def test_a_message_says_login_for_that_server() -> None:
    with pytest.raises(UsageError) as caught:
        require_no_secret(f"grpcs://{TOKEN}@models.example.org:7443/iris")
    assert caught.value.help is not None
    assert caught.value.help.startswith("mvc login grpcs://models.example.org:7443 ")


# ---------------------------------------------------------------------- the server's directory


def test_a_servers_directory_is_its_own_alone(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    with serving(empty) as server:
        assert server.process.poll() is None
    assert empty.stat().st_mode & 0o777 == 0o700
    os.chmod(empty, 0o755)  # somebody opened it since
    with serving(empty):
        pass
    assert empty.stat().st_mode & 0o777 == 0o700


def test_one_that_holds_other_things_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "letters").write_text("x")
    with pytest.raises(Failure, match="open to others") as caught:
        make_private(str(home))
    assert caught.value.help is not None and "--root" in caught.value.help
    assert home.stat().st_mode & 0o777 == 0o755
    os.chmod(home, 0o700)
    make_private(str(home))
