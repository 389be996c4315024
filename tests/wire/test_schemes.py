"""The table of schemes is what pages and help name, and what every place that reads an address obeys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mvc.cli.main import cli
from mvcd.errors import Failure, MvcError, UsageError
from mvcd.repo.core import connecting, remotes
from mvcd.wire.address import require_no_secret
from mvcd.wire.schemes import SCHEMES, Carrier, Scheme, known_scheme, meant_by, scheme_of

ROOT = Path(__file__).parents[2]
NAMES = {scheme.name for scheme in SCHEMES if scheme.name}
OF_THE_WEB = {"http", "https"}


def named(text: str) -> set[str]:
    return set(re.findall(r"(?<![a-z0-9+])([a-z][a-z0-9+]*)://", text)) - OF_THE_WEB


def help_of_add() -> str:
    """By the command line: a command asked by itself keeps the help option of that moment for ever."""
    return CliRunner().invoke(cli, ["remote", "add", "--help"]).output


def test_help_names_each_and_no_other() -> None:
    assert named(help_of_add()) == NAMES
    assert named(remotes.__doc__ or "") == NAMES


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_help_has_the_example_of_each(scheme: Scheme) -> None:
    words = " ".join(help_of_add().split())
    assert scheme.example in words
    assert named(scheme.example) == {scheme.name} - {""}


def test_pages_name_no_other() -> None:
    carried = {s.name for s in SCHEMES if s.carrier in (Carrier.SERVER, Carrier.SSH)}
    assert named((ROOT / "proto" / "README.md").read_text()) == carried
    for page in ("README.md", "SECURITY.md", "deploy/README.md"):
        assert named((ROOT / page).read_text()) <= NAMES


def test_an_unknown_scheme_is_refused_with_an_example_of_each() -> None:
    assert known_scheme("ftp://host/x") is None
    with pytest.raises(UsageError) as caught:
        remotes.absolute("FTP://host/x")
    assert caught.value.cause == "ftp:// is not known"
    assert caught.value.help is not None
    assert all(scheme.example in caught.value.help for scheme in SCHEMES)


@pytest.mark.parametrize("url", ["GRPCS://h/r", "grpcs://h/r", "Ssh://h/p", "file:///p", "/p", "p"])
def test_each_is_known_however_it_is_spelled(url: str) -> None:
    assert scheme_of(url).name == (url.partition("://")[0].lower() if "://" in url else "")


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_each_reaches_its_carrier(scheme: Scheme, tmp_path: Path, monkeypatch) -> None:
    reached: list[Carrier] = []

    def carry(carrier: Carrier):
        def reach(*_args: object, **_options: object) -> None:
            reached.append(carrier)
            raise Failure("reached")

        return reach

    monkeypatch.setattr("mvcd.wire.dial.dial", carry(Carrier.SERVER))
    monkeypatch.setattr("mvcd.wire.dial.dial_ssh", carry(Carrier.SSH))
    monkeypatch.setattr(connecting, "local", carry(Carrier.DISK))
    monkeypatch.setattr(connecting, "in_bucket", carry(Carrier.BUCKET))
    url = f"{scheme.name}://localhost/path" if scheme.name else str(tmp_path)
    with pytest.raises(MvcError, match="reached"):
        connecting.connect(remotes.Remote("", url), lambda _: {}, lambda: 0, print)
    assert reached == [scheme.carrier]


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if s.name], ids=lambda scheme: scheme.name)
def test_a_login_name_is_allowed_where_the_table_says_so(scheme: Scheme) -> None:
    url = f"{scheme.name}://ada@host/path"
    if scheme.user or scheme.path:
        require_no_secret(url)
    else:
        with pytest.raises(UsageError):
            require_no_secret(url)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("s3:models/x", "s3://models/x"),
        ("s3:/models/x", "s3://models/x"),
        ("s3:https://host:9000/models/x", "s3://models/x -o endpoint=https://host:9000"),
        ("azure://models/x", "az://models/x"),
        ("s3a://models/x", "s3://models/x"),
        ("bucket+file:/srv/x", "bucket+file:///srv/x"),
        ("links:/srv/x", "links:///srv/x"),
    ],
)
def test_what_other_tools_call_a_bucket_is_understood(word: str, meant: str) -> None:
    assert meant_by(word) == meant
    with pytest.raises(UsageError) as caught:
        remotes.absolute(word)
    assert caught.value.help == f"did you mean {meant} ?"


@pytest.mark.parametrize("url", ["file://srv/x", "file://srv"])
def test_a_host_in_the_address_of_a_directory_is_a_mistake(url: str) -> None:
    with pytest.raises(UsageError, match="names no directory"):
        remotes.absolute(url)


@pytest.mark.parametrize("url", ["s3://models/x?key=1", "s3://me:secret@models/x"])
def test_keys_of_a_bucket_rest_where_its_tools_keep_them(url: str) -> None:
    with pytest.raises(UsageError, match="must not hold a secret") as caught:
        remotes.absolute(url)
    assert caught.value.help is not None and "aws configure" in caught.value.help
