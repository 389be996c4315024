"""The verbs of remotes on the command line: what they say, their documents, their exit codes."""

from __future__ import annotations

import json
import socket
from functools import partial
from pathlib import Path

import pytest

from mvc import Clash, Component, MergeConflict, Repo
from mvcd.ids import Kind
from mvcd.store.lmdb_store import LmdbStore
from mvcd.wire import client
from tests.support.commandline import Mvc, write
from tests.support.spoiling import spoil_store


@pytest.fixture
def shared(saved: Path, mvc: Mvc, tmp_path: Path) -> Path:
    """A repository with two versions, pushed to a bare one that is `origin`."""
    mvc("init", "--bare", str(tmp_path / "shared"))
    mvc("remote", "add", "origin", "../shared")
    return tmp_path / "shared"


def test_remotes_by_name(shared: Path, mvc: Mvc) -> None:
    assert mvc("remote", "--json").json["remotes"] == [{"name": "origin", "url": str(shared)}]
    mvc("remote", "rename", "origin", "hub")
    mvc("remote", "set-url", "hub", "grpcs://example.org/team/iris")
    assert "grpcs://example.org/team/iris" in mvc("remote").out
    mvc("remote", "remove", "hub")
    assert mvc("remote", "list", "--json").json["remotes"] == []
    assert "mvc remote add" in mvc("push", code=1).err
    assert "mvc login" in mvc("remote", "add", "x", "grpcs://a:secret@b/c", code=2).err
    assert "mean grpcs://b/c ?" in mvc("remote", "add", "x", "http://b/c", code=2).err
    assert "not known" in mvc("remote", "add", "x", "ftp://b/c", code=2).err


def test_a_push_gives_a_receipt(shared: Path, mvc: Mvc) -> None:
    tip = mvc("show", "--json").json["version"]
    document = mvc("push", "--json").json
    assert document["refs"] == [{"name": "heads/main", "old": None, "new": tip}]
    assert document["objects"] == document["verified_objects"] > 0
    assert document["url"] == str(shared)
    assert "up to date" in mvc("push").out
    assert mvc("ls-remote", "--json").json["refs"] == [{"name": "heads/main", "version": tip}]
    assert mvc("verify", "--remote", "--json").json["ok"] is True


def test_a_push_tells_what_it_healed(shared: Path, mvc: Mvc) -> None:
    mvc("push")

    def lose() -> int:
        with LmdbStore.open(shared) as store:
            spoil_store(store, {Kind.CHUNK, Kind.RECIPE})
            return len(list(store.check()))

    lost = lose()
    told = mvc("push").out
    assert "up to date at origin" in told
    assert f"healed {lost} damaged objects at origin" in told
    assert "healed" not in mvc("push").out
    assert lose() == lost
    document = mvc("push", "--json").json
    assert (document["healed"], document["damaged"], document["refs"]) == (lost, 0, [])


def test_clone_diverge_merge(shared: Path, saved: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("push")
    other = tmp_path / "other"
    assert "Cloned 2 versions" in mvc("clone", str(shared), str(other)).out
    mvc("clone", str(shared), str(other), code=1)
    there, here = ("-C", str(other)), ("-C", str(saved))
    write(other, {"notes.md": "theirs"})
    mvc(*there, "commit", "-m", "theirs")
    mvc(*there, "push")
    write(saved, {"notes.md": "ours"})
    mvc(*here, "commit", "-m", "ours")
    assert "mvc pull origin" in mvc(*here, "push", code=1).err
    assert "mvc merge origin/main" in mvc(*here, "pull", code=1).err
    assert "notes.md" in mvc(*here, "merge", "origin/main", code=1).err
    refused = json.loads(mvc(*here, "merge", "origin/main", "--json", code=1).err)
    assert (refused["code"], refused["kind"]) == (1, "merge-conflict")
    assert refused["conflicts"] == [
        {"path": "notes.md", "component": "data", "ours": "added", "theirs": "added"}
    ]
    repo = Repo.open(saved)
    with pytest.raises(MergeConflict) as typed:
        repo.merge("origin/main")
    repo.close()
    assert typed.value.clashes == (Clash("notes.md", Component.DATA, "added", "added"),)
    assert (saved / "notes.md").read_text() == "ours"
    document = mvc(*here, "merge", "origin/main", "--theirs", "notes.md", "--json").json
    assert document["resolved"][0]["side"] == "theirs"
    assert (saved / "notes.md").read_text() == "theirs"
    mvc(*here, "push")
    assert mvc(*there, "pull", "--json").json["checkout"] is not None
    assert "up to date" in mvc(*there, "pull").out


def test_partial_clones_from_python(shared: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("push")
    repo, done = Repo.clone(str(shared), tmp_path / "records", only=())
    assert done.checkout is not None
    assert (done.branch, done.checkout.written) == ("main", 0)
    assert len(list(repo.log())) == 2
    assert repo.status().clean
    assert repo.status().left_out == done.checkout.left_out != ()
    repo.checkout("main")
    assert (repo.status().clean, repo.status().left_out) == (True, ())
    repo.close()


def test_a_clone_of_the_model_alone(shared: Path, saved: Path, mvc: Mvc, tmp_path: Path) -> None:
    write(saved, {"c/model.pt": "m" * 500, "c/optimizer.pt": "o" * 500, "c/tokenizer.json": "{}"})
    mvc("commit", "-m", "a checkpoint")
    mvc("push")
    found = {}
    for only in ("weights", "weights,state"):
        there = tmp_path / only
        mvc("clone", str(shared), str(there), "--only", only)
        found[only] = {p.name for p in there.glob("c/*")}
        assert mvc("-C", str(there), "status", "--json").json["clean"] is True
        told = mvc("-C", str(there), "status").out
        assert ("training state" in told) == (only == "weights")
    assert found["weights"] == {"model.pt", "tokenizer.json"}
    assert found["weights,state"] == {"model.pt", "optimizer.pt", "tokenizer.json"}
    alone = mvc("clone", str(shared), str(tmp_path / "x"), "--only", "state", code=2)
    assert "--only weights,state" in alone.err
    assert not (tmp_path / "x").exists()


def test_a_clone_of_records_stands_on_its_branch(shared: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("push")
    here = ("-C", str(tmp_path / "records"))
    made = mvc("clone", "--records-only", str(shared), here[1], "--json").json["checkout"]
    assert (made["head"]["ref"], made["head"]["number"], made["written"]) == ("main", 2, 0)
    assert len(mvc(*here, "log", "--json").json["versions"]) == 2
    shown = mvc(*here, "status").out.splitlines()
    assert shown[:2] == [
        f"On branch main, at v2 {made['head']['version'][:10]}",
        "Nothing changed since v2",
    ]
    assert (
        shown[2].startswith("Left out here: ") and shown[3] == "mvc checkout main  brings all files"
    )
    assert mvc(*here, "status", "--json").json["left_out"] == made["left_out"]
    assert "nothing to commit" in mvc(*here, "commit", "-m", "no", code=1).err
    assert "file" in mvc(*here, "checkout", "main").out
    assert mvc(*here, "status", "--json").json["left_out"] == []


def test_a_log_without_versions_names_what_was_fetched(
    shared: Path, mvc: Mvc, tmp_path: Path
) -> None:
    mvc("push")
    here = ("-C", str(tmp_path / "new"))
    mvc("init", here[1])
    mvc(*here, "remote", "add", "origin", str(shared))
    assert "mvc commit" in mvc(*here, "log").out
    mvc(*here, "fetch")
    said = mvc(*here, "log").out
    assert (
        said == "No versions here yet; fetched: origin/main.  mvc log origin/main, or: mvc pull\n"
    )
    assert "(origin/main) second" in mvc(*here, "log", "origin/main", "--oneline").out


def test_a_remote_that_is_not_there(saved: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("remote", "add", "origin", str(tmp_path / "nowhere"))
    for verb in ("push", "pull", "fetch", "ls-remote"):
        assert "mvc init --bare" in mvc(verb, code=13).err
    assert mvc("clone", str(tmp_path / "nowhere"), str(tmp_path / "x"), code=13).err
    assert not (tmp_path / "x").exists()


def test_a_server_that_does_not_answer_is_said_to_be_asked_again(
    saved: Path, mvc: Mvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "Patience", partial(client.Patience, first=0.01, total=0.4))
    with socket.socket() as held:  # bound, but nobody listens
        held.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{held.getsockname()[1]}/iris"
        mvc("remote", "add", "origin", url)
        for words in (["pull"], ["push"], ["fetch"], ["clone", url, str(tmp_path / "no")]):
            said = mvc(*words, code=13).err.splitlines()
            assert said[0] == (
                f"warning: {url} does not answer (connection refused); trying again for up to 0 s"
            )
            assert said[1] == f"error: {url} does not answer"
        told, document = mvc("pull", "--json", code=13).err.splitlines()
        assert told == said[0]
        assert json.loads(document)["code"] == 13


def test_follow_once(shared: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("push")
    live = tmp_path / "live"
    assert "holds" in mvc("follow", "origin", "main", "--to", str(live), "--once").out
    assert live.is_symlink()
    assert mvc("verify-deploy", str(live)).code == 0


def test_ls_remote_needs_no_repository(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = mvc("ls-remote", str(saved)).out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert mvc("ls-remote", str(saved)).out == listed
    assert listed.endswith("  heads/main\n")
    assert mvc("ls-remote", "../work").out == listed
    assert mvc("ls-remote", "--json", str(saved)).json["refs"][0]["name"] == "heads/main"
    assert mvc("ls-remote", code=10).err.startswith("error: no mvc repository at ")
    assert "nowhere is no repository" in mvc("ls-remote", "nowhere", code=13).err
