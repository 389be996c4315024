"""An S3 bucket as a remote, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import motoserver
from tests.support.commandline import Mvc, write
from tests.support.s3buckets import Endpoint

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def endpoint():
    with motoserver.running() as found:
        yield found


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path: Path, endpoint: Endpoint) -> None:
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_people_share_a_bucket(endpoint: Endpoint, saved: Path, tmp_path: Path, mvc: Mvc) -> None:
    url = f"s3://{endpoint.make_bucket()}/team/iris"
    reached = ("-o", f"endpoint={endpoint.url}")
    mvc("remote", "add", "origin", url, *reached)
    assert "is no repository" in mvc("ls-remote", code=13).err
    assert mvc("push", "--json").json["objects"] > 0
    other = tmp_path / "other"
    mvc("clone", *reached, url, str(other))
    there, here = ("-C", str(other)), ("-C", str(saved))
    write(other, {"notes.md": "theirs"})
    mvc(*there, "commit", "-m", "theirs")
    mvc(*there, "push")
    write(saved, {"model.py": "layers = 9\n"})
    mvc(*here, "commit", "-m", "ours")
    assert "mvc pull origin" in mvc(*here, "push", code=1).err
    mvc(*here, "pull", "--merge")
    mvc(*here, "push")
    mvc(*there, "pull")
    assert (other / "model.py").read_text() == "layers = 9\n"
    mvc("clone", "--records-only", *reached, url, str(tmp_path / "partial"))
    assert mvc("-C", str(tmp_path / "partial"), "cat", "notes.md").out == "theirs"
    mvc(*here, "config", "set", "remote.origin.grace", "0s")
    mvc("gc", "--remote")
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True


def test_what_is_wrong_with_a_bucket_is_told(endpoint: Endpoint, saved: Path, mvc: Mvc) -> None:
    reached = ("-o", f"endpoint={endpoint.url}")
    absent = "s3://there-is-no-such-bucket/x"
    assert "there is no bucket" in mvc("remote", "add", "none", absent, *reached, code=1).err
    nobody = ("-o", "endpoint=http://127.0.0.1:9")
    assert "not looked at" in mvc("remote", "add", "away", "s3://bucket/x", *nobody).err
    assert "127.0.0.1:9" in mvc("push", "away", code=13).err
    for wrong, why in (
        ("endpoint", "KEY=VALUE"),
        ("secret=x", "no setting"),
        ("endpoint=nowhere", "endpoint"),
    ):
        assert why in mvc("remote", "add", "x", "s3://bucket/x", "-o", wrong, code=2).err
