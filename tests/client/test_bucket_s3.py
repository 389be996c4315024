"""An S3 bucket as a remote, on the command line; people reach it by different addresses of the store."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mvc import Repo
from mvcd.repo.core import connecting
from tests.daemon.serve.servers import ENVIRONMENT
from tests.support.commandline import AUTHOR, Mvc, write
from tests.support.s3buckets import Endpoint

Reached = tuple[str, str]
"""The option of a command that says where the store is."""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path: Path, s3: tuple[Endpoint, Endpoint]) -> None:
    for name, value in s3[0].environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def reached(s3: tuple[Endpoint, Endpoint]) -> tuple[Reached, Reached]:
    return ("-o", f"endpoint={s3[0].url}"), ("-o", f"endpoint={s3[1].url}")


@pytest.fixture
def url(s3: tuple[Endpoint, Endpoint], saved: Path, mvc: Mvc) -> str:
    """A new bucket, which is `origin` of a repository with two versions."""
    address = f"s3://{s3[0].make_bucket()}/team/iris"
    mvc("remote", "add", "origin", address, "-o", f"endpoint={s3[0].url}")
    return address


def test_people_share_a_bucket(
    url: str, reached: tuple[Reached, Reached], saved: Path, tmp_path: Path, mvc: Mvc
) -> None:
    assert "is no repository" in mvc("ls-remote", code=13).err
    assert mvc("push", "--json").json["objects"] > 0
    other = tmp_path / "other"
    mvc("clone", *reached[1], url, str(other))
    there, here = ("-C", str(other)), ("-C", str(saved))
    write(other, {"notes.md": "theirs"})
    mvc(*there, "commit", "-m", "theirs")
    mvc(*there, "push")
    write(saved, {"model.py": "layers = 9\n"})
    mvc(*here, "commit", "-m", "ours")
    assert "mvc pull origin" in mvc(*here, "push", code=1).err
    mvc(*here, "pull", "--merge")
    mvc(*here, "push")
    mvc(*there, "fetch")
    mvc(*there, "pull")
    assert (other / "model.py").read_text() == "layers = 9\n"
    tip = mvc("show", "--json").json["version"]
    assert mvc(*there, "ls-remote", "--json").json["refs"] == [
        {"name": "heads/main", "version": tip}
    ]
    mvc("clone", "--records-only", *reached[1], url, str(tmp_path / "partial"))
    assert mvc("-C", str(tmp_path / "partial"), "cat", "notes.md").out == "theirs"


def test_what_nobody_needs_goes_and_the_rest_is_whole(
    url: str, reached: tuple[Reached, Reached], saved: Path, tmp_path: Path, mvc: Mvc
) -> None:
    mvc("push")
    mvc("push", "origin", "main:side")
    write(saved, {"model.safetensors": bytes(range(256)) * 2000})
    mvc("commit", "-m", "large")
    mvc("push", "origin", "main:large")
    mvc("push", "origin", ":large")
    mvc("push", "origin", ":side")  # the newest operation can be undone, and names its versions
    mvc("config", "set", "remote.origin.grace", "0s")
    freed = mvc("gc", "--remote", "--expire-operations", "0s", "--json").json
    assert freed["objects"] > 0
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    mvc("clone", *reached[1], url, str(tmp_path / "other"))
    mvc("push")
    assert mvc("-C", str(tmp_path / "other"), "pull").code == 0
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True


def test_follow_sees_what_is_pushed_elsewhere(
    url: str,
    reached: tuple[Reached, Reached],
    saved: Path,
    tmp_path: Path,
    mvc: Mvc,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "WATCH_SECONDS", (0.05, 0.5))
    mvc("push")
    mvc("clone", "--records-only", *reached[1], url, str(tmp_path / "other"))
    with closing(Repo.open(tmp_path / "other")) as other:
        followed = other.follow(None, "main", to=tmp_path / "live")
        assert not next(followed).problem
        write(saved, {"model.py": "layers = 9\n"})
        mvc("commit", "-m", "more")
        mvc("push")
        assert not next(followed).problem
        assert (tmp_path / "live/model.py").read_text() == "layers = 9\n"
        followed.close()


def test_an_encrypted_bucket(
    s3: tuple[Endpoint, Endpoint],
    url: str,
    reached: tuple[Reached, Reached],
    tmp_path: Path,
    mvc: Mvc,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{key}\n")
    mvc("remote", "encrypt", "origin", str(key.to_public()))
    mvc("config", "set", "remote.origin.identity", str(tmp_path / "key"))
    mvc("push")
    assert mvc("clone", *reached[1], url, str(tmp_path / "none"), code=12).err
    monkeypatch.setenv("MVC_AGE_IDENTITY", str(tmp_path / "key"))
    mvc("clone", *reached[1], url, str(tmp_path / "other"))
    assert (tmp_path / "other/model.py").read_text() == "layers = 3\n"
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    blobs = s3[1].blobs(bucket, prefix)
    for found in list(blobs.list("")):
        assert b"layers" not in blobs.get(found.name)[0]
    blobs.close()


# ---------------------------------------------------------------------- many at once


@pytest.mark.timeout(900)
def test_a_storm_of_people(
    url: str, reached: tuple[Reached, Reached], tmp_path: Path, mvc: Mvc
) -> None:
    """Processes of three, who push to one branch and merge what others were faster with."""
    if reached[0] == reached[1]:
        pytest.skip("of writers at once moto lets two win now and then")
    mvc("push")
    mvc("config", "set", "remote.origin.grace", "0s")

    def work(number: int) -> None:
        here = tmp_path / f"person{number}"
        done("clone", *reached[number % 2], url, str(here))
        for turn in range(2):
            write(here, {f"notes/{number}-{turn}.md": f"{number} {turn}\n" * 50})
            done("-C", str(here), "commit", "-m", f"{number} {turn}")
            for _ in range(8):  # the others win four times; more would be a storm that never ends
                if ran("-C", str(here), "push"):
                    break
                done("-C", str(here), "pull", "--merge")
            else:
                raise AssertionError(f"{here} pushes and pulls, and never gets through")

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        mvc("gc", "--remote", "--expire-operations", "0s", code=None)  # who pushes may be faster
        for one in working:
            one.result()
    mvc("pull")
    assert len(list(Path("notes").iterdir())) == 6
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True


def ran(*words: str) -> bool:
    """Runs a command in a process of its own; False where others were faster."""
    ended = subprocess.run(
        [sys.executable, "-m", "mvc", *words],
        env={**ENVIRONMENT, **_keys(), "MVC_AUTHOR": AUTHOR, "MVC_CONFIG": "", "MVC_NO_DAEMON": "1"},
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert ended.returncode in (0, 1), ended.stderr
    return ended.returncode == 0


def done(*words: str) -> None:
    assert ran(*words), words


def _keys() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "XDG_"))}


# ---------------------------------------------------------------------- what is wrong


def test_a_machine_without_keys_follows_by_links(
    url: str,
    s3: tuple[Endpoint, Endpoint],
    saved: Path,
    tmp_path: Path,
    mvc: Mvc,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "is no repository" in mvc("remote", "presign", "origin", "--publish", code=13).err
    mvc("push")
    mvc("branch", "private")
    mvc("push", "origin", "private")
    assert "--to FILE" in mvc("remote", "presign", "origin", code=2).err
    assert (
        "up to 7 days"
        in mvc("remote", "presign", "origin", "--publish", "--expires", "8d", code=2).err
    )
    assert "no branch" in mvc("remote", "presign", "origin", "none", "--to", "x", code=1).err
    file, published = tmp_path / "some.links", tmp_path / "published.links"
    signed = mvc("remote", "presign", "origin", "main", "--to", str(file))
    assert f"mvc follow links://{file} main" in signed.out and "http" not in signed.out + signed.err
    document = mvc(
        *("remote", "presign", "origin", "main", "--to", str(published), "--publish", "--json")
    ).json
    assert document["refs"] == ["heads/main"] and document["published"] and document["packs"] > 0
    assert [path.stat().st_mode & 0o777 for path in (file, published)] == [0o600, 0o600]
    assert published.read_text().startswith(s3[0].url) and b"http" not in file.read_bytes()

    other, deployed = tmp_path / "other", tmp_path / "deployed"
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        mvc("clone", f"links://{file}", str(other))
        there = ("-C", str(other))
        assert (other / "model.py").read_bytes() == (saved / "model.py").read_bytes()
        listed = mvc(*there, "ls-remote", "--json").json["refs"]
        assert [ref["name"] for ref in listed] == ["heads/main"]
        assert mvc(*there, "verify", "--remote", "--read-data", "--json").json["ok"] is True
        for words in (("push",), ("gc", "--remote"), ("remote", "encrypt", "origin", "age1x")):
            assert "can only be read" in mvc(*there, *words, code=12).err
        assert "http" not in (other / ".mvc" / "config.toml").read_text()
        follow = (*there, "follow", f"links://{published}", "main", "--to", str(deployed), "--once")
        mvc(*follow)
    write(saved, {"model.py": "layers = 9\n"})
    here = ("-C", str(saved))
    mvc(*here, "commit", "-m", "more")
    mvc(*here, "push", "origin", "main")
    mvc(*here, "remote", "presign", "origin", "main", "--publish")
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        mvc(*follow)
        assert "Nothing new" in mvc(*there, "fetch").out  # that file has what was signed for it
    assert (deployed / "model.py").read_text() == "layers = 9\n"


def test_what_is_wrong_with_a_bucket_is_told(
    reached: tuple[Reached, Reached], saved: Path, mvc: Mvc
) -> None:
    absent = "s3://there-is-no-such-bucket/x"
    assert "there is no bucket" in mvc("remote", "add", "none", absent, *reached[0], code=1).err
    nobody = ("-o", "endpoint=http://127.0.0.1:9")
    assert "not looked at" in mvc("remote", "add", "away", "s3://bucket/x", *nobody).err
    assert "127.0.0.1:9" in mvc("push", "away", code=13).err
    for wrong, why in (
        ("endpoint", "KEY=VALUE"),
        ("secret=x", "no setting"),
        ("endpoint=nowhere", "endpoint"),
    ):
        assert why in mvc("remote", "add", "x", "s3://bucket/x", "-o", wrong, code=2).err
