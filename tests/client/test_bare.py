"""Repositories without a workspace: looked at, checked and cared for where they lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.team.auditlog import By
from mvcd.team.root import Root
from tests.support.commandline import Mvc
from tests.team.acts import put_version

LOOKING = (
    ("log",), ("log", "--all", "--oneline"), ("show",), ("ls", "v1"), ("cat", "v1:params.yaml"),
    ("ls", "v1", "--digest", "md5"),
    ("diff", "v1", "v2"), ("verify",), ("verify", "--quick"), ("doctor",), ("du",), ("branch",), ("tag",),
    ("op", "log"), ("gc", "-n"), ("gc",), ("log", "--where", "lr<1"), ("blame", "params.yaml"),
    ("lineage",), ("card",), ("compare", "v1", "v2"), ("stage",), ("config", "list"), ("remote",),
    ("export", "HEAD", "../out"), ("log", "HEAD~1"), ("audit", "verify"),
)  # fmt: skip
WORKING = (
    ("status",), ("diff",), ("add", "."), ("commit", "-m", "x"), ("checkout", "v1"), ("restore", "v1", "."),
    ("switch", "-c", "n"), ("rollback", "v1"), ("untrack", "a"), ("merge", "v1"), ("run", "--", "touch", "RAN"),
    ("bisect", "start", "HEAD", "v1"),
)  # fmt: skip


@pytest.fixture
def bare(mvc: Mvc, saved: Path, tmp_path: Path) -> Path:
    """One that FIRST and SECOND were pushed to."""
    place = tmp_path / "bare"
    mvc("init", "--bare", str(place))
    mvc("push", str(place), "main")
    return place


def test_it_can_be_looked_at_and_cared_for(mvc: Mvc, bare: Path) -> None:
    for words in LOOKING:
        mvc("-C", str(bare), *words)
    assert mvc("-C", str(bare), "log", "--oneline").out.endswith(" first\n")
    assert "(HEAD -> main)" in mvc("-C", str(bare / "packs"), "log", "-n", "1").out
    assert (bare.parent / "out" / "params.yaml").exists()


def test_what_needs_a_workspace_says_so(mvc: Mvc, bare: Path) -> None:
    before = sorted(os.listdir(bare))
    for words in WORKING:
        said = mvc("-C", str(bare), *words, code=1).err
        assert "has no workspace" in said, words
        assert f"mvc clone {bare} DIR" in said
    assert {*os.listdir(bare)} - {*before} <= {"lock"}
    assert "already" in mvc("-C", str(bare), "init", code=1).err


def test_a_push_is_taken_back_there(mvc: Mvc, bare: Path) -> None:
    assert mvc("-C", str(bare), "undo").out.startswith("Took back 1 (push heads/main)")
    assert mvc("-C", str(bare), "branch", "--json").json["branches"] == []
    mvc("-C", str(bare), "undo", "2")
    assert mvc("-C", str(bare), "log", "--oneline").out.endswith(" first\n")


def test_names_can_be_given_there(mvc: Mvc, bare: Path) -> None:
    mvc("-C", str(bare), "tag", "v1.0", "v1")
    mvc("-C", str(bare), "branch", "other", "v1")
    mvc("-C", str(bare), "branch", "-d", "other")
    assert [r["name"] for r in mvc("ls-remote", str(bare), "--json").json["refs"]] == [
        "heads/main", "tags/v1.0",
    ]  # fmt: skip


def test_what_a_deleted_branch_held_is_freed(mvc: Mvc, saved: Path, bare: Path) -> None:
    mvc("switch", "-c", "big")
    (saved / "b").write_bytes(os.urandom(1 << 20))
    mvc("commit", "-m", "big")
    mvc("push", str(bare), "big")
    mvc("push", str(bare), ":big")
    mvc("push", str(bare), "main:other")  # the newest operation always stays
    assert mvc("-C", str(bare), "gc", "--json").json["objects"] == 0  # can still be undone
    freed = mvc("-C", str(bare), "gc", "--expire-operations", "0s", "--json").json
    assert freed["bytes_freed"] > 1 << 20
    mvc("-C", str(bare), "verify")


def test_damage_is_found_there(mvc: Mvc, bare: Path) -> None:
    pack = next((bare / "packs").iterdir())
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    assert "damaged" in mvc("-C", str(bare), "verify", code=14).out


def test_without_versions(mvc: Mvc, work: Path) -> None:
    mvc("init", "--bare", "o")
    for words in (("log",), ("verify",), ("gc",), ("doctor",), ("branch",)):
        mvc("-C", str(work / "o"), *words)


def test_head_is_main_or_the_first_branch(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("init", "--bare", str(tmp_path / "o"))
    mvc("push", str(tmp_path / "o"), "main:b")
    mvc("push", str(tmp_path / "o"), "main~1:a")
    assert mvc("-C", str(tmp_path / "o"), "log", "--oneline").out.count("\n") == 1
    mvc("-C", str(saved), "push", str(tmp_path / "o"), "main")
    assert mvc("-C", str(tmp_path / "o"), "log", "--oneline").out.count("\n") == 2


def test_a_team_s_repository_is_read_and_freed_and_not_changed(mvc: Mvc, tmp_path: Path) -> None:
    """Its changes are rows of the server's audit log."""
    by = By("server", 1_800_000_000_000_000)
    with Root.create(tmp_path / "server") as root:
        root.first_start(by)
        root.create_repository(by, "team/iris")
        place = root.repository_path("team/iris")
    with LmdbStore.open(place) as store:
        id = put_version(store, time_us=1_700_000_000_000_000)
        with store.session() as session:
            session.commit([RefUpdate("heads/main", None, bytes(id))], audit=b"{}")
    for words in (("log",), ("verify",), ("gc", "-n"), ("gc",), ("doctor",), ("branch",)):
        mvc("-C", place, *words)
    assert len(json.loads(mvc("-C", place, "log", "--json").out)["versions"]) == 1
    for words in (("tag", "t"), ("branch", "b"), ("promote", "HEAD", "prod", "--reason", "r")):
        assert "belongs to a team server" in mvc("-C", place, *words, code=1).err
