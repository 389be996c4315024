"""One workspace under a real daemon: what it saves, what it holds back, and what stands beside it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mvc.daemon_client import Connection
from mvcd.objects.version import Component, Trigger
from mvcd.repo.core.core import no_secret
from mvcd.repo.core.wanted import Wanted
from tests.daemon.daemons import LIMITS, Daemon, content, short_directory, versions
from tests.daemon.trainers import shard
from tests.support.engine import Repository
from tests.support.workspace import Bench

Make = Callable[..., Bench]

WITHOUT_INOTIFY = """
import errno, sys
from watchdog.observers import inotify_c
def refuse(*arguments):
    raise OSError(errno.{error}, "refused")
inotify_c.InotifyFD.{method} = refuse
from mvcd.daemon.main import main
sys.exit(main())
"""
ON_THE_NETWORK = """
import sys
from mvcd.daemon import vigil
vigil.filesystem_type = lambda path: "nfs4"
from mvcd.daemon.main import main
sys.exit(main())
"""

BETWEEN_SCAN_AND_RULE = """
import os, sys, time
from mvcd.daemon import sets
ask = sets.folder_of
def folder_of(rule, directory, *more):
    root = os.path.dirname(directory.rstrip("/"))
    quiet = time.time() - max(entry.stat().st_ctime for entry in os.scandir(directory))
    if quiet > 0.1 and os.path.exists(f"{root}/../halt"):
        os.rename(f"{root}/../halt", f"{root}/../halted")
        while not os.path.exists(f"{root}/../go"):
            time.sleep(0.01)
    return ask(rule, directory, *more)
sets.folder_of = folder_of
from mvcd.daemon.main import main
sys.exit(main())
"""
"""The daemon stands still after a scan, before the rule of a directory that is quiet is asked."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One for all tests here: it bears many workspaces."""
    with short_directory() as directory, Daemon(directory) as running:
        yield running


@pytest.fixture
def bench(daemon: Daemon, workspace: Make) -> Iterator[Bench]:
    """A workspace under care, its first version saved."""
    bench = workspace()
    bench.write({"a.bin": b"first"})
    daemon.watch(bench)
    daemon.sync(bench)
    yield bench
    daemon.ask("unwatch", root=str(bench.root))


def events(daemon: Daemon) -> Connection:
    connection = daemon.connect(timeout=60)
    connection.ask("follow")
    return connection


def reasons(daemon: Daemon, bench: Bench) -> dict[str, str]:
    return {w["set"]: w["reason"] for w in daemon.report(bench)["waiting"]}


def until(
    daemon: Daemon, bench: Bench, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Asks for looks until one leaves the workspace as wanted."""
    for _ in range(300):
        report = daemon.ask("sync", root=str(bench.root), timeout=0.1)["workspace"]
        if condition(report):
            return dict(report)
    raise AssertionError(report)


# -------------------------------------------------------------------- saving


def test_the_version_says_what_it_is(daemon: Daemon, bench: Bench) -> None:
    last = versions(bench)[-1].version
    assert last.trigger is Trigger.AUTO
    assert last.author == "Ada <ada@example.org>"
    assert last.message == "a.bin and mvc.toml added"
    assert last.provenance.host == os.uname().nodename


def test_files_that_come_and_go(daemon: Daemon, bench: Bench) -> None:
    bench.write({"deep/er/b.bin": b"b", "c.bin": b"c"})
    bench.remove("a.bin")
    daemon.sync(bench)
    with bench.reopen() as repo:
        assert {f.path for f in repo.ls()} == {"mvc.toml", "deep/er/b.bin", "c.bin"}


def test_what_changed_while_it_was_down_is_found(daemon: Daemon, bench: Bench) -> None:
    daemon.stop()
    bench.write({"a.bin": b"second", "new/b.bin": b"b"})
    daemon.restart()
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"second"
    assert content(bench, "new/b.bin") == b"b"


def test_an_open_file_is_held_back_and_the_rest_is_saved(daemon: Daemon, bench: Bench) -> None:
    with Path(bench.path("a.bin")).open("r+b", buffering=0) as file, events(daemon) as saved:
        file.write(b"half")
        bench.write({"b.bin": b"whole"})
        event = saved.next()
        assert content(bench, "b.bin", event["version"]) == b"whole"
        assert content(bench, "a.bin", event["version"]) == b"first"
        assert reasons(daemon, bench) == {"a.bin": "a.bin is open for writing"}
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"halft"


def test_a_removed_file_of_an_unfinished_set_stays_in_the_version(
    daemon: Daemon, bench: Bench
) -> None:
    shards = {f"m/model-0000{n}-of-00002.safetensors": b"\x02\0\0\0\0\0\0\0{}" for n in (1, 2)}
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    bench.write({**shards, "m/model.safetensors.index.json": index})
    daemon.sync(bench)
    bench.remove("m/model-00001-of-00002.safetensors")
    with events(daemon) as saved:
        bench.write({"other.bin": b"1"})
        version = saved.next()["version"]
    assert (
        content(bench, "m/model-00001-of-00002.safetensors", version)
        == shards["m/model-00001-of-00002.safetensors"]
    )
    assert "is not there" in reasons(daemon, bench)["m/"]
    bench.write(shards)
    bench.write({"m/model.safetensors.index.json": index})
    daemon.sync(bench)
    assert not daemon.report(bench)["waiting"]


def test_an_open_log_goes_along(daemon: Daemon, bench: Bench) -> None:
    with Path(bench.path("train.log")).open("w") as log, events(daemon) as saved:
        log.write("epoch 1\n")
        log.flush()
        bench.write({"b.bin": b"b"})
        assert content(bench, "train.log", saved.next()["version"]) == b"epoch 1\n"


def test_limits_and_why_something_is_not_saved(daemon: Daemon, workspace: Make) -> None:
    bench = workspace(limits=LIMITS + 'exclude = ["scratch/**"]\nmax_size = "1 KiB"\n')
    bench.write({"a.bin": b"a", "scratch/s.bin": b"s", "large.bin": bytes(2000), "b.part2/x": b"x"})
    daemon.watch(bench)
    daemon.sync(bench)
    with bench.reopen() as repo:
        assert {f.path for f in repo.ls()} == {"mvc.toml", "a.bin", "b.part2/x"}
    skipped = {s["path"]: s["reason"] for s in daemon.report(bench)["skipped"]}
    assert skipped["scratch/s.bin"] == "excluded in mvc.toml"
    assert "more than max_size" in skipped["large.bin"]


def test_a_wrong_table_is_told_and_a_right_one_taken_up(daemon: Daemon, bench: Bench) -> None:
    bench.write({"mvc.toml": "[watch]\nsettle = 'soon'\n"})
    report = until(daemon, bench, lambda r: r["state"] == "failing")
    assert "settle must be a number of seconds" in str(report["why"])
    bench.write({"mvc.toml": LIMITS, "a.bin": b"second"})
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"second"


def test_the_command_hook_runs_after_a_save(daemon: Daemon, bench: Bench, tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    bench.repo.config.set("watch.hook", f'echo "$MVC_NUMBER $MVC_MESSAGE" > {told}')
    bench.write({"b.bin": b"b"})
    assert told.read_text() == "2 b.bin added\n"


# -------------------------------------------------------------------- beside a person


def test_our_own_checkout_is_not_saved(daemon: Daemon, bench: Bench) -> None:
    """Going back and forth between two versions leaves two versions."""
    for name in ("one", "two"):
        bench.write({f"d{n}/f.bin": f"{name} {n}" for n in range(60)})
        daemon.sync(bench)
    before = [v.id for v in versions(bench)]
    for rev in ("HEAD~1", "main", "HEAD~1", "main"):
        bench.checkout(rev, force=True)
    daemon.sync(bench)
    assert [v.id for v in versions(bench)] == before


def test_after_a_checkout_it_goes_on_from_there(daemon: Daemon, bench: Bench) -> None:
    bench.write({"a.bin": b"second"})
    daemon.sync(bench)
    first, second = versions(bench)
    bench.checkout("v1")
    bench.write({"a.bin": b"other"})
    daemon.sync(bench)
    assert versions(bench)[0].id == first.id
    last = versions(bench)[-1]
    assert last.version.parents == (first.id,)
    assert last.refs[0] == "HEAD -> from-v1"
    with bench.reopen() as repo:
        assert repo.resolve("main") == second.id


def test_manual_versions_and_automatic_ones_are_one_history(daemon: Daemon, bench: Bench) -> None:
    bench.write({"a.bin": b"by hand"})
    by_hand = bench.commit("by hand")
    bench.write({"a.bin": b"by itself"})
    daemon.sync(bench)
    assert versions(bench)[-1].version.parents == (by_hand.version,)
    bench.repo.rollback("v1", context=bench.context())
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"first"
    assert len(versions(bench)) == 4


def test_gc_beside_saves_loses_nothing(daemon: Daemon, bench: Bench) -> None:
    for number in range(6):
        bench.write({f"f{n}.bin": os.urandom(50_000) for n in range(4)})
        daemon.poke(bench)
        bench.repo.gc(context=bench.context(), keep_operations_us=0)
        assert number >= 0
    daemon.sync(bench)
    with bench.reopen() as repo:
        assert repo.verify().ok
        assert {f.path: repo.read(f.path) for f in repo.ls()} == bench.files()


def test_the_lock_of_another_verb_is_waited_for(daemon: Daemon, bench: Bench) -> None:
    with bench.repo.lock.hold():
        bench.write({"a.bin": b"half of a checkout"})
        until(daemon, bench, lambda r: bool(r["waiting"]))
        assert len(versions(bench)) == 1
        bench.write({"a.bin": b"whole"})
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"whole"
    assert len(versions(bench)) == 2


def test_the_halves_of_a_checkout_that_was_killed_are_not_saved(
    daemon: Daemon, bench: Bench
) -> None:
    staging = Path(bench.path(".mvc/staging"))
    staging.mkdir()
    (staging / "0").write_bytes(b"staged")
    bench.write({"a.bin": b"half"})
    report = until(daemon, bench, lambda r: r["state"] == "failing")
    assert "a checkout was interrupted" in str(report["why"])
    assert len(versions(bench)) == 1


# -------------------------------------------------------------------- what is gone


def test_a_root_that_vanished_is_not_a_version_of_nothing(daemon: Daemon, bench: Bench) -> None:
    away = bench.root.with_name("away")
    bench.repo.close()
    bench.root.rename(away)
    assert until(daemon, bench, lambda r: r["state"] == "gone")
    away.rename(bench.root)
    bench.write({"a.bin": b"back"})
    daemon.sync(bench)
    assert content(bench, "a.bin") == b"back"
    assert len(versions(bench)) == 2


def test_an_emptied_workspace_is_not_saved(daemon: Daemon, bench: Bench) -> None:
    bench.remove("a.bin", "mvc.toml")
    report = until(daemon, bench, lambda r: r["state"] == "failing")
    assert "every file is gone" in str(report["why"])
    assert len(versions(bench)) == 1
    bench.commit("meant so")
    daemon.sync(bench)
    assert daemon.report(bench)["state"] == "watching"


# -------------------------------------------------------------------- without events


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            WITHOUT_INOTIFY.format(error="ENOSPC", method="add_callback"),
            "fs.inotify.max_user_watches",
        ),
        pytest.param(
            WITHOUT_INOTIFY.format(error="EMFILE", method="__init__"),
            "no inotify",
            marks=pytest.mark.thorough,
        ),
        pytest.param(ON_THE_NETWORK, "network file system (nfs4)", marks=pytest.mark.thorough),
    ],
    ids=["limit", "none", "network"],
)
def test_without_events_it_polls(places: Path, workspace: Make, program: str, why: str) -> None:
    bench = workspace()
    with Daemon(places, program=program) as daemon, events(daemon) as saved:
        daemon.watch(bench)
        daemon.sync(bench)
        report = daemon.report(bench)
        assert report["state"] == "polling"
        assert why in report["why"]
        assert saved.next()["number"] == 1
        bench.write({"late/b.bin": b"nobody told"})
        assert saved.next()["message"] == "late/b.bin added"


# -------------------------------------------------------------------- what is under care


def test_only_what_is_tracked_is_watched_and_more_when_more_is(
    daemon: Daemon, tmp_path: Path
) -> None:
    with Bench(tmp_path / "e") as bench:
        bench.write({"mvc.toml": LIMITS, "in/a.bin": b"a", "out/deep/er/b.bin": b"b"})
        bench.add("mvc.toml", "in")
        daemon.watch(bench)
        daemon.sync(bench)
        assert daemon.report(bench)["directories"] == 2
        bench.add("out/deep")
        daemon.sync(bench)
        assert daemon.report(bench)["directories"] == 5
        assert content(bench, "out/deep/er/b.bin") == b"b"
        daemon.ask("unwatch", root=str(bench.root))


def test_a_rule_of_ones_own(daemon: Daemon, workspace: Make) -> None:
    bench = workspace(limits=LIMITS + '[[watch.sets]]\ndirectory = "runs/*"\nmarker = "DONE"\n')
    bench.write({"runs/1/w.raw": b"w"})
    daemon.watch(bench)
    report = until(daemon, bench, lambda r: bool(r["last_save"]))
    assert report["waiting"][0]["reason"] == "DONE is not written yet"
    assert versions(bench)[-1].version.message == "mvc.toml added"
    bench.write({"runs/1/DONE": b"yes"})
    daemon.sync(bench)
    assert content(bench, "runs/1/w.raw") == b"w"
    daemon.ask("unwatch", root=str(bench.root))


def test_a_save_that_goes_on_between_the_scan_and_the_rule_is_not_mixed_with_the_last_one(
    places: Path, workspace: Make
) -> None:
    """The scan saw half of a generation; when the rule looked, all of it was there."""
    bench = workspace()
    names = [f"model-{number:05d}-of-00004.safetensors" for number in range(1, 5)]

    def write(generation: int, shards: list[str]) -> None:
        for name in shards:
            bench.write({f"ckpt/{name}": shard(generation, 4096)})

    def finish(generation: int) -> None:
        index = {"metadata": {"g": generation}, "weight_map": {f"w{n}": n for n in names}}
        bench.write({"ckpt/model.safetensors.index.json": json.dumps(index)})

    write(1, names)
    finish(1)
    above = bench.root.parent
    with Daemon(places, program=BETWEEN_SCAN_AND_RULE) as daemon:
        daemon.watch(bench)
        daemon.sync(bench)
        (above / "halt").touch()
        write(2, names[:2])
        while not (above / "halted").exists():
            time.sleep(0.01)
        write(2, names[2:])
        finish(2)
        (above / "go").touch()
        daemon.sync(bench)
    with Repository.open(str(bench.root)) as repo:
        for entry in versions(bench):
            held = {repo.read(f"ckpt/{name}", entry.id.hex()) for name in names}
            assert len(held) == 1, f"v{entry.version.generation} mixes two saves"
        assert repo.read(f"ckpt/{names[3]}") == shard(2, 4096)


def test_min_interval_keeps_versions_apart(daemon: Daemon, workspace: Make) -> None:
    bench = workspace(limits=LIMITS + "min_interval = 3600\n")
    daemon.watch(bench)
    daemon.sync(bench)
    bench.write({"a.bin": b"a"})
    looks = daemon.report(bench)["looks"]
    until(daemon, bench, lambda r: r["looks"] > looks + 5)
    assert len(versions(bench)) == 1
    daemon.ask("unwatch", root=str(bench.root))


def test_shards_in_the_root_are_a_set_that_other_files_do_not_wait_for(
    daemon: Daemon, bench: Bench
) -> None:
    shard = b"\x02\0\0\0\0\0\0\0{}"
    with events(daemon) as saved:
        bench.write({"model-00001-of-00002.safetensors": shard, "notes.md": "half of it"})
        event = saved.next()
        assert event["message"] == "notes.md added"
        assert reasons(daemon, bench)["./"].startswith("1 of 2 shards")
        bench.write({"model-00002-of-00002.safetensors": shard})
        assert saved.next()["message"] == "2 files added"


def test_what_a_clone_left_out_is_not_saved_as_deleted(
    daemon: Daemon, workspace: Make, tmp_path: Path
) -> None:
    whole = workspace("whole")
    whole.save({"a.bin": b"first", "data/rows.csv": "a\n1\n", "metrics.json": '{"loss": 1}'})
    wanted = Wanted(frozenset([Component.WEIGHTS]))
    repo, _ = Repository.clone(
        str(whole.root), str(tmp_path / "clone"), wanted=wanted, context=whole.context(),
        secret=no_secret,
    )  # fmt: skip
    bench = Bench.__new__(Bench)
    bench.root, bench.repo = tmp_path / "clone", repo
    with repo:
        daemon.watch(bench)
        daemon.sync(bench)
        assert len(versions(bench)) == 1
        bench.write({"a.bin": b"second", "data/more.csv": "a\n2\n"})
        daemon.sync(bench)
        assert {f.path for f in repo.ls()} >= {"data/rows.csv", "metrics.json", "data/more.csv"}
        bench.remove("a.bin")
        report = until(daemon, bench, lambda r: r["state"] == "failing")
        assert "every file is gone" in str(report["why"])
        assert len(versions(bench)) == 2
        daemon.ask("unwatch", root=repo.root)
