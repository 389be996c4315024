"""`mvc repair`, and that no verb dies of what it reads: real processes on damaged repositories."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.support.commandline import Mvc
from tests.support.engine import Repository

PAGE = 4096


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`mvc WORDS` as a person starts it, in a process of its own."""
    environment = os.environ | {"MVC_NO_DAEMON": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", "mvc", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def require_spoken(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode >= 0, f"ended by a signal: {ended.args}"
    assert "Assertion" not in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert not ended.returncode or ended.stderr or ended.stdout, "it failed without a word"


def damages(index: Path, seed: int, rounds: int) -> list[list[tuple[int, bytes]]]:
    source = random.Random(seed)
    data = index.read_bytes()
    count = len(data) // PAGE
    used = [n for n in range(2, count) if any(data[n * PAGE : (n + 1) * PAGE])]
    found: list[list[tuple[int, bytes]]] = []
    for turn in range(rounds):
        page = source.choice(used)
        start = page * PAGE
        if turn % 4 == 0:
            found.append([(start, bytes(PAGE))])
        elif turn % 4 == 1:
            found.append([(start + 10, source.randbytes(60))])
        elif turn % 4 == 2:
            found.append([(start + 16, source.randbytes(PAGE - 16))])
        else:
            at = start + source.randrange(16 + 40)
            found.append([(at, bytes([data[at] ^ 1 << source.randrange(8)]))])
    return found


def examine(root: Path, seed: int, rounds: int, verbs: list[list[str]]) -> None:
    index = root / ".mvc/store/data.mdb"
    whole = index.read_bytes()
    for damage in damages(index, seed, rounds):
        for words in verbs:
            with index.open("r+b") as file:
                for offset, content in damage:
                    file.seek(offset)
                    file.write(content)
            require_spoken(run(root, *words))
            index.write_bytes(whole)


@pytest.mark.thorough
def test_no_verb_dies_of_a_damaged_index(saved: Path) -> None:
    examine(saved, seed=3, rounds=4, verbs=[["verify"], ["log"], ["doctor"], ["gc"]])


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_no_verb_dies_of_a_damaged_index_at_length(saved: Path) -> None:
    verbs = ["verify", "log", "doctor", "gc", "status", "repair -n", "op log", "branch new", "ls"]
    examine(saved, seed=4, rounds=200, verbs=[verb.split() for verb in verbs])


@pytest.mark.parametrize("signal", ["SIGABRT", "SIGSEGV", "SIGBUS"])
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_fault_is_told_in_words(signal: str, words: list[str]) -> None:
    program = (
        f"import os, signal, sys; sys.argv[1:] = {words!r}\n"
        "from mvc.cli.main import _prepare_last_words as prepare; prepare()\n"
        f"os.kill(os.getpid(), signal.{signal})"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 14
    if words:
        assert json.loads(ended.stderr)["kind"] == "fault"
    else:
        assert ended.stderr.startswith("error: ")
        assert "mvc doctor" in ended.stderr


# -------------------------------------------------------------------- repair


def test_it_shows_asks_and_does(mvc: Mvc, saved: Path) -> None:
    log = mvc("log", "--json").json
    (saved / ".mvc/store/data.mdb").unlink()
    shutil.rmtree(saved / ".mvc/store/leases")
    shown = mvc("repair", "--dry-run").out
    assert "data.mdb is absent" in shown
    assert "leases" in shown
    assert not (saved / ".mvc/store/leases").exists()
    assert "Do this?" in mvc("repair", input="n\n", code=1).out
    assert not (saved / ".mvc/store/data.mdb").exists()
    done = mvc("repair", input="y\n").out
    assert "rebuilt the index" in done
    assert mvc("log", "--json").json == log
    assert mvc("verify").out.startswith("ok")
    assert "Nothing to repair" in mvc("repair").out


def test_without_a_terminal_it_says_how(mvc: Mvc, saved: Path) -> None:
    (saved / ".mvc/store/data.mdb").unlink()
    assert "mvc repair -y" in mvc("repair", input="", code=2).err
    assert mvc("repair", "--json", code=1).json["dry_run"] is True
    answer = mvc("repair", "-y", "--json").json
    assert answer["dry_run"] is False
    assert answer["repositories"][0]["done"]


def test_lost_settings_and_head_come_back(mvc: Mvc, saved: Path) -> None:
    workspace = mvc("config", "get", "workspace.id").out
    (saved / ".mvc/config.toml").unlink()
    assert mvc("status", code=10).err.splitlines()[-1] == "help: mvc repair"
    mvc("repair", "-y")
    assert mvc("config", "get", "workspace.id").out == workspace
    assert "On branch main, at v2" in mvc("status").out


def branch_of(root: Path) -> str | None:
    with Repository.open(str(root)) as repo:
        return repo.head.branch


def test_each_of_several_workspaces_gets_its_own_head_back(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    mvc("workspace", "add", str(other))
    heads = {root: branch_of(root) for root in (saved, other)}
    assert heads == {saved: "main", other: "other"}
    for root in (saved, other):
        (root / ".mvc/config.toml").unlink()
        mvc("-C", str(root), "repair", "-y", "--store", str(saved / ".mvc/store"))
        assert branch_of(root) == heads[root]
    (other / ".mvc/config.toml").unlink()
    other.rename(tmp_path / "moved")
    mvc("-C", str(tmp_path / "moved"), "repair", "-y", "--store", str(saved / ".mvc/store"))
    assert branch_of(tmp_path / "moved") == "other"


def test_a_workspace_that_lost_its_head_takes_no_branch_of_another_one(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    mvc("workspace", "add", str(other))
    settings = other / ".mvc/config.toml"
    id = next(line.split('"')[1] for line in settings.read_text().splitlines() if "id" in line)
    with LmdbStore.open(saved / ".mvc/store") as store:
        name = f"workspaces/{id}/head"
        store.update_refs(
            [
                RefUpdate(name, store.ref(name), None),
                RefUpdate("heads/other", store.ref("heads/other"), None),
            ]
        )
    mvc("-C", str(other), "repair", "-y")
    assert branch_of(other) is None


def test_damaged_settings_keep_what_can_be_read(mvc: Mvc, saved: Path) -> None:
    mvc("remote", "add", "origin", "/somewhere")
    path = saved / ".mvc/config.toml"
    damaged = path.read_bytes() + b"\n[broken\nx = = 1\n\xff\xfe\n"
    path.write_bytes(damaged)
    mvc("status", code=1)
    mvc("repair", "-y")
    assert "/somewhere" in mvc("remote", "-v").out + path.read_text()
    assert "On branch main, at v2" in mvc("status").out
    assert (saved / ".mvc/config.toml.damaged-1").read_bytes() == damaged


def test_versions_without_refs_are_offered(mvc: Mvc, saved: Path) -> None:
    (tip, *_) = mvc("log", "--json").json["versions"]
    for name in ("data.mdb", "refs.journal"):
        (saved / ".mvc/store" / name).unlink()
    assert "--lost-found" in mvc("repair", "-y").out
    mvc("repair", "-y", "--lost-found")
    assert [b["name"] for b in mvc("branch", "--json").json["branches"]] == [
        f"lost/{tip['version'][:12]}"
    ]
    assert "Nothing to repair" in mvc("repair", "--lost-found").out
    mvc("switch", f"lost/{tip['version'][:12]}", "--force")
    assert mvc("verify").out.startswith("ok  2 versions")


def test_everything_at_once(mvc: Mvc, saved: Path) -> None:
    files = {p: p.read_bytes() for p in saved.rglob("*.py")}
    store = saved / ".mvc/store"
    for path in (store / "data.mdb", store / "format", saved / ".mvc/config.toml"):
        path.write_bytes(b"\0" * 50)
    shutil.rmtree(store / "leases")
    assert mvc("doctor", code=1).out.count("mvc repair") >= 4
    mvc("repair", "-y")
    assert mvc("verify").out.startswith("ok  2 versions")
    assert {p: p.read_bytes() for p in saved.rglob("*.py")} == files
    assert "Nothing changed" in mvc("status").out


def test_a_creation_that_was_cut_short_is_said_to_be_one(mvc: Mvc, work: Path) -> None:
    mvc("init")
    (work / ".mvc/config.toml").unlink()
    assert "mvc init" in mvc("status", code=10).err
    mvc("init")
    mvc("status")


def test_nothing_is_there_to_repair(mvc: Mvc, work: Path) -> None:
    assert "no mvc repository" in mvc("repair", code=10).err


def test_verify_and_doctor_report_where_nothing_opens(mvc: Mvc, saved: Path) -> None:
    (saved / ".mvc/store/data.mdb").write_bytes(b"x" * 50_000)
    told = mvc("verify", code=14)
    assert "index is damaged" in told.out
    assert "mvc repair" in told.out
    checks = mvc("doctor", "--json", code=1).json["checks"]
    assert {c["name"] for c in checks if not c["ok"]} >= {"index", "store"}
    assert {c["name"] for c in checks if c["ok"]} >= {"settings", "disk", "staging"}


def test_a_damaged_journal_is_reported_and_repaired(mvc: Mvc, saved: Path) -> None:
    journal = saved / ".mvc/store/refs.journal"
    journal.write_bytes(journal.read_bytes().replace(b'"changes":2', b'"changes":7'))
    assert "journal" in mvc("verify", code=14).out
    assert "journal" in mvc("doctor", code=1).out
    mvc("repair", "-y")
    mvc("verify")
    assert list(saved.glob(".mvc/store/refs.journal.damaged-*"))


# -------------------------------------------------------------------- on a server


def test_a_servers_stores_are_repaired(mvc: Mvc, work: Path) -> None:
    from mvcd.team.root import Root

    Root.create(work / "srv").close()
    mvc("admin", "repo", "add", "team/iris", "--root", "srv")
    mvc("admin", "user", "add", "ada", "--root", "srv")
    for store in ("accounts", "repos/team/iris"):
        (work / "srv" / store / "data.mdb").unlink()
        (work / "srv" / store / "format").unlink()
    assert mvc("admin", "repair", "--root", "srv", "-n").out.count("index: ") == 2
    mvc("admin", "repair", "--root", "srv", "-y")
    assert "ada" in mvc("admin", "user", "list", "--root", "srv").out
    mvc("admin", "repo", "verify", "team/iris", "--root", "srv")
    assert "Nothing to repair" in mvc("admin", "repair", "team/iris", "--root", "srv").out
    assert "no repository" in mvc("admin", "repair", "other", "--root", "srv", code=10).err


def test_a_servers_content_heals_from_a_clone(mvc: Mvc, saved: Path) -> None:
    from mvcd.team.root import Root

    Root.create(saved.parent / "srv").close()
    mvc("admin", "repo", "add", "iris", "--root", "../srv")
    store = saved.parent / "srv/repos/iris"
    mvc("remote", "add", "origin", str(store))
    mvc("push")
    spoil_everything(store)
    mvc("admin", "repo", "verify", "iris", "--root", "../srv", code=14)
    mvc("admin", "repair", "--from", str(saved), "--root", "../srv", code=2)
    done = mvc("admin", "repair", "iris", "--from", str(saved), "--root", "../srv", "-y").out
    assert "fetched" in done
    assert mvc("admin", "repo", "verify", "iris", "--root", "../srv").out.startswith("ok")


# -------------------------------------------------------------------- content


def spoil_everything(store: Path) -> None:
    """Flips bits all over the packs, some in every record."""
    for pack in (store / "packs").iterdir():
        data = bytearray(pack.read_bytes())
        for at in range(60, len(data), 40):
            data[at] ^= 1
        pack.write_bytes(data)


def test_damaged_content_comes_from_the_files_and_from_a_remote(mvc: Mvc, saved: Path) -> None:
    mvc("clone", str(saved), "../copy")
    copy = saved.parent / "copy"
    spoil_everything(copy / ".mvc/store")
    assert "damaged" in mvc("-C", str(copy), "verify", code=14).out
    dry = mvc("-C", str(copy), "repair", "--from", "origin", "-n").out
    assert "would verify all content and fetch" in dry
    done = mvc("-C", str(copy), "repair", "--from", "origin", "-y").out
    assert "fetched" in done
    assert mvc("-C", str(copy), "verify").out.startswith("ok  2 versions")


def test_repair_without_a_remote_takes_the_workspaces_files(mvc: Mvc, saved: Path) -> None:
    big = random.Random(5).randbytes(300_000)
    (saved / "big.bin").write_bytes(big)
    mvc("commit", "-m", "big")
    pack = max((saved / ".mvc/store/packs").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[data.index(big[1000:1100])] ^= 1
    pack.write_bytes(data)
    mvc("verify", code=14)
    assert "known to be damaged" in mvc("doctor", code=1).out + mvc("repair", "-n").out
    assert "stored 1 damaged objects anew" in mvc("repair", "-y").out
    assert mvc("verify").out.startswith("ok  3 versions")


@pytest.mark.thorough
def test_a_kill_while_a_repository_is_repaired(saved: Path) -> None:
    """`mvc repair -y` killed again and again, by signals that come when they come, and ended by the last
    one."""
    environment = os.environ | {"MVC_NO_DAEMON": "1", "NO_COLOR": "1"}
    store = saved / ".mvc/store"
    for path in (store / "data.mdb", store / "format", saved / ".mvc/config.toml"):
        path.write_bytes(b"\0" * 50)
    command = [sys.executable, "-P", "-m", "mvc", "repair", "-y"]
    source = random.Random(9)
    for _ in range(6):
        going = subprocess.Popen(
            command,
            cwd=saved,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            going.wait(source.uniform(0.1, 0.9))
        except subprocess.TimeoutExpired:
            going.kill()
            going.wait()
    assert run(saved, "repair", "-y").returncode == 0
    ended = run(saved, "verify")
    assert ended.stdout.startswith("ok  2 versions"), ended.stdout + ended.stderr
    assert "Nothing changed" in run(saved, "status").stdout
