"""Registries that `mvc oci` speaks to: how they are written, by TLS, through proxies."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc.integrations.oci import ArtifactAddress
from mvc.integrations.ociconnection import is_loopback
from tests.support.commandline import Mvc
from tests.support.registry import RegistryState, serving, tunnelling

DIGEST = "sha256:" + hashlib.sha256(b"").hexdigest()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryState]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with serving() as state:
        yield state


@pytest.mark.parametrize(("text", "parts"), [
    ("localhost:5000/iris", ("localhost:5000", "iris", "latest")),
    ("ghcr.io/ada/iris:v1.0", ("ghcr.io", "ada/iris", "v1.0")),
    ("oci://[::1]:5000/a/b", ("[::1]:5000", "a/b", "latest")),
    ("docker.io/iris", ("docker.io", "library/iris", "latest")),
    (f"ghcr.io/a@{DIGEST}", ("ghcr.io", "a", DIGEST)),
    (f"ghcr.io/a:tag@{DIGEST}", ("ghcr.io", "a", DIGEST)),
])  # fmt: skip
def test_addresses(text: str, parts: tuple[str, str, str]) -> None:
    found = ArtifactAddress.parse(text)
    assert (found.registry, found.name, found.reference) == parts


@pytest.mark.parametrize("text", [
    "iris", "ada/iris", "ghcr.io/", "ghcr.io/Ada/iris", "ghcr.io/a:../b", "ghcr.io/a@sha256:1", "ghcr.io/a b",
    "user:pw@ghcr.io/a", "ghcr.io/../a", "ghcr.io/a?b", "https://ghcr.io/a", f"ghcr.io/{'a' * 300}", "",
    "ghcr.io/a:",
])  # fmt: skip
def test_what_is_no_address(text: str, mvc: Mvc, saved: Path) -> None:
    mvc("oci", "push", "HEAD", text, code=2)


def test_plain_http_is_for_this_machine(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    for host in ("localhost", "localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]:5000"):
        assert is_loopback(host)
    for host in ("localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "[::2]"):
        assert not is_loopback(host)
    port = registry.host.partition(":")[2]
    said = mvc("oci", "push", "v1", f"0.0.0.0:{port}/iris", code=13).err
    assert "--plain-http" in said
    mvc("oci", "push", "v1", f"0.0.0.0:{port}/iris", "--plain-http")


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """Key and certificate of 0.0.0.0, which is this machine but is not called so."""
    place = str(tmp_path / "registry.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=IP:0.0.0.0", "-keyout", place,
         "-out", place + "2"],
        check=True, capture_output=True,
    )  # fmt: skip
    with open(place, "a") as file:
        file.write(Path(place + "2").read_text())
    return place


def test_by_tls(
    mvc: Mvc, saved: Path, certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with serving(certificate) as registry, serving() as plain:
        address = f"0.0.0.0:{registry.host.partition(':')[2]}/iris"
        said = mvc("oci", "push", "v1", address, code=13).err
        assert "SSL_CERT_FILE=" in said
        assert registry.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        mvc("oci", "push", "v1", address)
        mvc("oci", "pull", address)
        registry.redirect = f"http://{plain.host}"
        said = mvc("oci", "pull", address, "--branch", "b", code=1).err
        assert f"{plain.host} is to be spoken to without TLS" in said
        assert plain.asked == []


def test_through_a_proxy(
    mvc: Mvc, saved: Path, certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with serving(certificate) as registry, tunnelling() as (proxy, led):
        monkeypatch.setenv("https_proxy", f"http://{proxy}")
        host = f"0.0.0.0:{registry.host.partition(':')[2]}"
        mvc("oci", "push", "v1", f"{host}/iris")
        assert led == [host]
        monkeypatch.setenv("no_proxy", "0.0.0.0")
        mvc("oci", "pull", f"{host}/iris")
        assert led == [host]
        monkeypatch.delenv("no_proxy")
        for odd in ("ftp://x:1", "http://user:geheim@x:1", "\x01", "http://x:999999"):
            monkeypatch.setenv("https_proxy", odd)
            said = mvc("oci", "pull", f"{host}/iris", "--branch", "b", code=2).err
            assert "https_proxy is no http://HOST:PORT" in said


def test_nobody_there(mvc: Mvc, saved: Path) -> None:
    said = mvc("oci", "push", "v1", "localhost:1/iris", code=13).err
    assert "localhost:1 does not answer" in said
