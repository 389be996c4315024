"""A bucket as a remote, on the command line: the same verbs, and nothing runs there."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mvc import Repo
from mvcd.repo.core import connecting
from mvcd.store.bucket.directory import DirectoryBlobs
from tests.support.commandline import Mvc, write
from tests.support.interposed import Interposed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory of a bucket that is not there yet, in one that is."""
    (tmp_path / "nfs").mkdir()
    return tmp_path / "nfs" / "iris"


@pytest.fixture
def url(place: Path, saved: Path, mvc: Mvc) -> str:
    """The address of a bucket that is `origin` of a repository with two versions."""
    mvc("remote", "add", "origin", f"bucket+file://{place}")
    return f"bucket+file://{place}"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Interposed]:
    """The buckets that are opened from now on."""
    opened: list[Interposed] = []

    def open_blobs(url: str, options: object) -> Interposed:
        opened.append(Interposed(DirectoryBlobs(url.removeprefix("bucket+file://"), url)))
        return opened[-1]

    monkeypatch.setattr("mvcd.store.bucket.bucketopening.open_blobs", open_blobs)
    return opened


def test_where_nothing_is_a_push_makes_a_repository(url: str, place: Path, mvc: Mvc) -> None:
    for words in (("ls-remote",), ("fetch",), ("clone", url, "other")):
        told = mvc(*words, code=13).err
        assert f"{url} is no repository" in told and "mvc push" in told
    assert "is no repository" in mvc("push", "--dry-run", code=13).err
    assert not list(place.rglob("*/*"))
    document = mvc("push", "--json").json
    assert document["objects"] == document["verified_objects"] > 0
    assert document["url"] == url and document["made"] is True
    assert mvc("push", "--json").json["made"] is False
    assert "up to date" in mvc("push").out
    tip = mvc("show", "--json").json["version"]
    assert mvc("ls-remote", "--json").json["refs"] == [{"name": "heads/main", "version": tip}]
    for more in ((), ("--read-data",)):
        assert mvc("verify", "--remote", "--json", *more).json["ok"] is True


def test_what_is_not_mounted_is_not_made(saved: Path, tmp_path: Path, mvc: Mvc) -> None:
    mvc("remote", "add", "origin", f"bucket+file://{tmp_path}/not/there")
    told = mvc("push", code=1)
    assert "mounted" in told.err and "mkdir" in told.err
    assert not (tmp_path / "not").exists()


def test_people_share_it(url: str, saved: Path, tmp_path: Path, mvc: Mvc) -> None:
    mvc("push")
    other = tmp_path / "other"
    assert "Cloned 2 versions" in mvc("clone", url, str(other)).out
    there, here = ("-C", str(other)), ("-C", str(saved))
    write(other, {"notes.md": "theirs"})
    mvc(*there, "commit", "-m", "theirs")
    mvc(*there, "push")
    write(saved, {"model.py": "layers = 9\n"})
    mvc(*here, "commit", "-m", "ours")
    assert "mvc pull origin" in mvc(*here, "push", code=1).err
    assert "diverged" in mvc(*here, "pull", code=1).err
    mvc(*here, "pull", "--merge")
    mvc(*here, "push")
    mvc(*here, "tag", "good")
    mvc(*here, "push", "origin", "good")
    mvc(*there, "pull")
    assert (other / "model.py").read_text() == "layers = 9\n"
    assert "good" in mvc(*there, "tag").out
    mvc(*here, "branch", "side")
    mvc(*here, "push", "origin", "side")
    mvc(*here, "push", "origin", ":side")
    assert "side" not in mvc(*there, "ls-remote").out


def test_a_partial_clone_brings_the_rest_later(url: str, tmp_path: Path, mvc: Mvc) -> None:
    mvc("push")
    for number, words in enumerate((("--records-only",), ("--only", "architecture"))):
        other = tmp_path / f"other{number}"
        mvc("clone", *words, url, str(other))
        assert not (other / "data/train.csv").exists()
        assert mvc("-C", str(other), "cat", "data/train.csv").out == "x,y\n1,2\n"
        mvc("-C", str(other), "checkout", "main")
        assert (other / "data/train.csv").read_text() == "x,y\n1,2\n"


def test_a_fetch_with_nothing_new_is_one_request(
    url: str, mvc: Mvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvc("push")
    opened = counted(monkeypatch)
    mvc("fetch")
    assert opened.pop().requests == {"get refs": 1}
    mvc("push")
    assert opened.pop().requests == {"get refs": 1}


def test_a_push_of_one_file_is_few_requests(
    url: str, saved: Path, mvc: Mvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvc("push")
    write(saved, {"model.py": "layers = 9\n"})
    mvc("commit", "-m", "more")
    opened = counted(monkeypatch)
    mvc("push")
    requests = opened.pop().requests
    assert requests.pop("put packs") == requests.pop("put runs") == 1
    assert requests.total() <= 4, requests


@pytest.mark.parametrize(
    ("files", "pushes", "clones"),
    [
        (5000, 12, 30),
        pytest.param(100_000, 40, 200, marks=[pytest.mark.thorough, pytest.mark.timeout(1800)]),
    ],
)
def test_a_clone_of_many_small_files_is_few_requests(
    url: str, saved: Path, tmp_path: Path, mvc: Mvc, monkeypatch: pytest.MonkeyPatch,
    files: int, pushes: int, clones: int,
) -> None:  # fmt: skip
    draw = random.Random(5)
    write(saved, {f"data/{n // 100}/{n}.txt": draw.randbytes(300).hex() for n in range(files)})
    mvc("commit", "-m", "many")
    opened = counted(monkeypatch)
    mvc("push")
    pushed = opened.pop().requests
    assert pushed.total() <= pushes, pushed
    mvc("clone", url, str(tmp_path / "other"))
    cloned = opened.pop().requests
    assert cloned.total() <= clones, cloned
    assert (tmp_path / "other/data/7/777.txt").read_text() == (saved / "data/7/777.txt").read_text()


def test_follow_sees_what_is_pushed(
    url: str, saved: Path, tmp_path: Path, mvc: Mvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "WATCH_SECONDS", (0.01, 0.1))
    mvc("push")
    mvc("clone", "--records-only", url, str(tmp_path / "other"))
    with closing(Repo.open(tmp_path / "other")) as other:
        followed = other.follow(None, "main", to=tmp_path / "live")
        first = next(followed)
        assert not first.problem
        write(saved, {"model.py": "layers = 9\n"})
        mvc("commit", "-m", "more")
        mvc("push")
        second = next(followed)
        assert (second.before, second.problem) == (first.version, "")
        assert (tmp_path / "live/model.py").read_text() == "layers = 9\n"
        followed.close()


def test_gc_there_frees_what_nobody_needs(
    url: str, saved: Path, place: Path, tmp_path: Path, mvc: Mvc
) -> None:
    mvc("push")
    mvc("switch", "-c", "side")
    write(saved, {"model.safetensors": random.Random(3).randbytes(500_000)})
    mvc("commit", "-m", "large")
    mvc("push", "origin", "side")

    def size() -> int:
        return sum(path.stat().st_size for path in (place / "packs").rglob("*") if path.is_file())

    before = size()
    mvc("push", "origin", ":side")
    mvc(
        "push", "origin", "main:other"
    )  # the newest operation can be undone, and names its versions
    mvc("gc", "--remote")
    assert size() >= before  # a day has to go by
    mvc("config", "set", "remote.origin.grace", "0s")
    assert "Would free" in mvc("gc", "--remote", "--dry-run", "--expire-operations", "0s").out
    assert (
        mvc("gc", "--remote", "origin", "--expire-operations", "0s", "--json").json["objects"] > 0
    )
    assert size() < before - 400_000
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    mvc("clone", url, str(tmp_path / "other"))
    mvc("push", "origin", "side")
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    mvc("config", "set", "remote.origin.grace", "soon")
    assert "time of grace" in mvc("gc", "--remote", code=2).err


def test_what_is_deleted_there_is_a_branch_or_a_tag_that_is_there(
    url: str, place: Path, mvc: Mvc
) -> None:
    mvc("tag", "first")
    mvc("push", "--tags")
    mvc("push", "origin", "main")
    assert "no branch or tag frist at origin" in mvc("push", "origin", ":frist", code=1).err
    mvc("push", "origin", ":first")
    assert "first" not in mvc("ls-remote").out


def test_an_object_of_somebody_else_in_the_place_of_refs_is_told_with_its_place(
    saved: Path, place: Path, mvc: Mvc
) -> None:
    place.mkdir()
    (place / "refs").write_text("of somebody else")
    told = mvc("remote", "add", "origin", f"bucket+file://{place}", code=14).err
    assert f"the object 'refs' of bucket+file://{place} is damaged" in told


def test_what_is_looked_at_in_vain_is_told_with_the_way(
    saved: Path, tmp_path: Path, mvc: Mvc
) -> None:
    told = mvc("remote", "add", "far", f"bucket+file://{tmp_path}/not/mounted").err
    assert "is not mounted" in told and f"help: mkdir -p {tmp_path}/not" in told
    (tmp_path / "file").touch()
    told = mvc("remote", "add", "file", f"bucket+file://{tmp_path}/file", code=1).err
    assert "a file has that name" in told


def test_files_in_options_mean_the_same_from_everywhere(
    url: str, saved: Path, tmp_path: Path, mvc: Mvc
) -> None:
    here = str(Path.cwd() / "ca.pem")
    mvc("remote", "add", "other", url, "-o", "ca=ca.pem", "-o", "region=here")
    mvc("push")
    mvc("clone", url, str(tmp_path / "copy"), "-o", "ca=ca.pem")
    assert mvc("config", "get", "remote.other.ca").out.strip() == here
    assert mvc("config", "get", "remote.other.region").out.strip() == "here"
    copied = mvc("-C", str(tmp_path / "copy"), "config", "get", "remote.origin.ca").out.strip()
    assert copied == here


def test_a_time_that_is_none_is_refused_before_it_is_written_down(
    saved: Path, place: Path, mvc: Mvc
) -> None:
    told = mvc("remote", "add", "origin", f"bucket+file://{place}", "-o", "grace=abc", code=2).err
    assert "'abc' is no time of grace" in told
    assert mvc("remote", "list", "--json").json["remotes"] == []


def test_a_secret_is_no_option(saved: Path, place: Path, mvc: Mvc) -> None:
    given = "secret_access_key=hunter22"
    told = mvc("remote", "add", "origin", f"bucket+file://{place}", "-o", given, code=2).err
    assert "aws configure" in told and "hunter22" not in told


def test_gc_at_other_remotes(saved: Path, tmp_path: Path, mvc: Mvc) -> None:
    mvc("init", "--bare", str(tmp_path / "bare"))
    mvc("remote", "add", "disk", str(tmp_path / "bare"))
    mvc("push", "disk")
    assert mvc("gc", "--remote", "disk", "--json").json["objects_kept"] > 0
    mvc("remote", "add", "server", "grpcs://example.org/team/iris")
    assert "mvc admin repo gc" in mvc("gc", "--remote", "server", code=1).err


def test_damage_there_is_told_and_healed(url: str, place: Path, cache: Path, mvc: Mvc) -> None:
    mvc("push")
    (pack,) = (path for path in (place / "packs").rglob("*") if path.is_file())
    data = bytearray(pack.read_bytes())
    at = data.index(b"layers = 3")
    data[at] ^= 1
    pack.write_bytes(data)
    assert "wrong bytes" in mvc("verify", "--remote", "--read-data", code=14).out
    assert "healed 1 damaged object" in mvc("push").out
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    shutil.rmtree(cache)
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True


@pytest.mark.parametrize("left", [None, 0.5], ids=["gone", "cut short"])
def test_packs_that_lost_something_are_told_without_reading_them(
    left: float | None, url: str, place: Path, mvc: Mvc
) -> None:
    mvc("push")
    packs = [path for path in (place / "packs").rglob("*") if path.is_file()]
    for pack in packs:
        if left is None:
            pack.unlink()
        else:
            os.truncate(pack, int(left * pack.stat().st_size))
    found = mvc("verify", "--remote", "--json", code=14).json
    assert len(found["broken"]) == len(packs) and found["missing"]
    assert ("it is gone" if left is None else "bytes instead of") in found["broken"][0]
    assert {harm["path"] for harm in found["hurts"]} >= {"params.yaml"}
    told = mvc("verify", "--remote", code=14).out
    assert "hurts v1" in told and "mvc push --all origin" in told
    told = mvc("clone", url, "other", code=14).err
    assert "mvc verify --remote --read-data" in told
    assert "healed" in mvc("push", "--all", "origin").out
    assert mvc("verify", "--remote", "--read-data", "--json").json["missing"] == []
    mvc("clone", url, "another")


def test_a_run_that_is_gone_is_told_though_the_index_has_it(
    url: str, place: Path, mvc: Mvc
) -> None:
    mvc("push")
    (run,) = (path for path in (place / "runs").rglob("*") if path.is_file())
    run.unlink()
    (told,) = mvc("verify", "--remote", "--json", code=14).json["broken"]
    assert told.startswith("run: it is gone, runs/")
    told = mvc("verify", "--remote", code=14).out
    assert "put back that object" in told and "mvc push" not in told  # which would find all there


# ---------------------------------------------------------------------- deaths

PUSHER = """
import sys
from pathlib import Path
from mvc import Repo
with Repo.open(".") as repo:
    for n in range(1000):
        Path("model.py").write_text(f"layers = {sys.argv[1]} {n}\\n" * 2000)
        made = repo.commit(f"{sys.argv[1]} {n}")
        repo.push()
        print(made.version, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(
    url: str, saved: Path, place: Path, tmp_path: Path, mvc: Mvc
) -> None:
    draw = random.Random(11)
    told: list[str] = []
    for round in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", PUSHER, str(round)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=saved,
        )  # fmt: skip
        assert child.stdout is not None
        for _ in range(1 + round):
            told.append(child.stdout.readline().strip())
        try:  # at any moment of the next push
            child.wait(draw.uniform(0, 0.15))
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        told += child.communicate()[0].split()
        assert child.returncode == -signal.SIGKILL, child.stderr
        mvc("clone", url, str(tmp_path / f"other{round}"))
        log = json.loads(mvc("-C", str(tmp_path / f"other{round}"), "log", "--json").out)
        assert set(told) <= {one["version"] for one in log["versions"]}
        assert (
            mvc("-C", str(saved), "verify", "--remote", "--read-data", "--json").json["ok"] is True
        )
    mvc("push")
    mvc("config", "set", "remote.origin.grace", "0s")
    mvc("gc", "--remote")
    assert mvc("verify", "--remote", "--read-data", "--json").json["ok"] is True
    mvc("clone", url, str(tmp_path / "last"))
