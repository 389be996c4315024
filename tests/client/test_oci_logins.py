"""Logins for registries: where they are kept, and to whom they are shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mvc.api.errors import AuthError, Failure
from mvc.integrations.ociconnection import RegistryConnections
from mvc.integrations.ocilogins import login_for
from mvc.integrations.ocitokens import authorization
from tests.support.commandline import Mvc
from tests.support.registry import PASSWORD, USER, RegistryState, serving

CODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def registry() -> Iterator[RegistryState]:
    with serving() as state:
        yield state


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker" / "config.json"


def keep(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document))


def helper(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program `docker-credential-vault` on PATH."""
    place = directory / "docker-credential-vault"
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


# -------------------------------------------------------------------- to whom


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_with_a_login(
    kind: str, mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    keep(docker, {"auths": {registry.host: {"auth": CODED}}})
    registry.login = kind
    mvc("oci", "push", "v1", f"{registry.host}/iris")
    mvc("oci", "pull", f"{registry.host}/iris")
    if kind == "bearer":
        assert list(registry.tokens.values()) == [
            "repository:iris:pull,push", "repository:iris:pull",
        ]  # fmt: skip
        shown = {given for _, path, given in registry.asked if path.startswith("/v2/")}
        assert shown == {None, "Bearer t0", "Bearer t1"}


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_without_one(
    kind: str, mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    registry.login = kind
    said = mvc("oci", "push", "v1", f"{registry.host}/iris", code=12).err
    assert f"docker login {registry.host}" in said


def test_who_reads_what_is_public_needs_none(
    mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    mvc("oci", "push", "v1", f"{registry.host}/iris")
    registry.login = "bearer"
    mvc("oci", "pull", f"{registry.host}/iris")


def test_an_identity_token_is_exchanged(
    mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    keep(docker, {"auths": {registry.host: {"identitytoken": "again"}}})
    registry.login = "bearer"
    mvc("oci", "push", "v1", f"{registry.host}/iris")
    assert registry.count("POST", "/token") == 1


def test_a_token_that_ended_is_asked_for_again(
    mvc: Mvc, saved: Path, docker: Path, registry: RegistryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(docker, {"auths": {registry.host: {"auth": CODED}}})
    registry.login = "bearer"

    class Ending(dict[str, str]):
        """Each token is good for three requests."""

        uses = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.uses += 1
            if self.uses % 4 == 0:
                self.pop(key, None)
            return super().get(key, default)

        def __len__(self) -> int:
            return self.uses

    registry.tokens = Ending()
    mvc("oci", "push", "v2", f"{registry.host}/iris")
    assert registry.count("GET", "/token") > 1


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_no_other_host_sees_it(
    kind: str, mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    """Neither where uploads go, nor where blobs are read."""
    keep(docker, {"auths": {registry.host: {"auth": CODED}}})
    registry.login = kind
    with serving() as other:
        registry.redirect = f"http://{other.host}"
        mvc("oci", "push", "v1", f"{registry.host}/iris")
        registry.blobs = other.blobs
        mvc("oci", "pull", f"{registry.host}/iris")
        assert {method for method, _, _ in other.asked} == {"PUT", "GET"}
        assert {given for _, _, given in other.asked} == {None}


def test_a_realm_without_tls_is_not_spoken_to() -> None:
    """Where the registry is spoken to by TLS; the connection refuses, whatever is to be sent."""
    for url in ("http://localhost/token", "http://example.org/", "file:///etc/passwd", "ftp://x/"):
        with pytest.raises(Failure) as caught:
            RegistryConnections(plain=False).send("GET", urlsplit(url), {}, b"")
        assert caught.value.kind == "plain-http"


def test_challenges() -> None:
    asked: list[tuple[str, str]] = []

    def ask(method: str, url: Any, headers: Any, body: bytes) -> tuple[int, bytes]:
        asked.append((method, url.geturl()))
        return 200, b'{"access_token": "abc"}'

    said = ['Basic realm="x"', 'bearer realm="https://a/t?b=c", service=s , error="a,b"']
    assert authorization(said, "repository:x:pull", None, "h", ask) == "Bearer abc"
    assert asked == [("GET", "https://a/t?b=c&service=s&scope=repository%3Ax%3Apull")]
    assert authorization(["Basic realm=x"], "s", None, "h", ask) is None
    assert authorization(["Negotiate"], "s", None, "h", ask) is None


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (200, b"{"),
        (200, b"[]"),
        (200, b'{"token": "a\\r\\nX: y"}'),
        (200, b'{"token": 1}'),
    ],
)
def test_a_token_server_that_gives_none(answer: tuple[int, bytes]) -> None:
    with pytest.raises(AuthError, match="h does not let you in"):
        authorization(['Bearer realm="https://a"'], "s", None, "h", lambda *_: answer)


# -------------------------------------------------------------------- where


@pytest.mark.parametrize(
    "name", ["r.example.org", "https://r.example.org", "https://r.example.org/v1/"]
)
def test_names_of_a_registry(name: str, docker: Path) -> None:
    keep(docker, {"auths": {"other.org": {}, name: {"auth": CODED}}})
    login = login_for("r.example.org")
    assert login is not None
    assert (login.user, login.password) == (USER, PASSWORD)
    assert PASSWORD not in repr(login)
    assert login_for("example.org") is None
    assert login_for("r.example.org:5000") is None


def test_dockers_own(docker: Path) -> None:
    keep(docker, {"auths": {"https://index.docker.io/v1/": {"auth": CODED}}})
    assert login_for("docker.io") is not None


def test_a_helper_answers(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"""read server; test "$1 $server" = "get r.example.org" || exit 1
    echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'"""
    helper(tmp_path, monkeypatch, script)
    keep(docker, {"credHelpers": {"r.example.org": "vault"}})
    login = login_for("r.example.org")
    assert login is not None
    assert (login.user, login.password) == (USER, PASSWORD)
    helper(tmp_path, monkeypatch, """echo '{"Username": "<token>", "Secret": "s"}'""")
    keep(docker, {"credsStore": "vault"})
    login = login_for("r.example.org")
    assert login is not None
    assert login.identity_token == "s"


def test_a_helper_that_knows_nothing(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    keep(docker, {"credsStore": "vault", "auths": {"r.example.org": {"auth": CODED}}})
    assert login_for("other.example.org") is None
    assert login_for("r.example.org") is not None


@pytest.mark.parametrize("name", ["nowhere", "vault", "../vault", "a b"])
def test_a_helper_that_fails(
    name: str, mvc: Mvc, saved: Path, docker: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, registry: RegistryState,
) -> None:  # fmt: skip
    helper(tmp_path, monkeypatch, "echo locked >&2; exit 3")
    registry.login = "basic"
    keep(docker, {"credsStore": name})
    code = 12 if name in ("nowhere", "vault") else 1
    said = mvc("oci", "push", "v1", f"{registry.host}/iris", code=code).err
    assert name in said


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"auths": 1}', '{"auths": {"R": {"auth": "%"}}}', "\xff"]
)
def test_a_file_that_is_damaged(
    text: str, mvc: Mvc, saved: Path, docker: Path, registry: RegistryState
) -> None:
    registry.login = "basic"
    docker.write_text(text.replace("R", registry.host), encoding="latin-1")
    said = mvc("oci", "push", "v1", f"{registry.host}/iris", code=1).err
    assert "config.json cannot be read" in said
