"""What the daemon cannot read: named, and in its way nowhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.daemons import LIMITS, Daemon, content, short_directory
from tests.support.privileges import reopen
from tests.support.workspace import Bench

WITHOUT_RIGHTS = """
import sys
from tests.support.privileges import give_up
give_up()
from mvcd.daemon.main import main
sys.exit(main())
"""
DENIED = "cannot be read: Permission denied"
SHARD = b"\x02\0\0\0\0\0\0\0{}"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with short_directory() as directory, Daemon(directory, program=WITHOUT_RIGHTS) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, daemon: Daemon) -> Iterator[Bench]:
    with Bench(tmp_path / "w") as made:
        made.write({"mvc.toml": LIMITS, "a.bin": "1", "d/one": "1", "d/e/two": "1"})
        made.add()
        daemon.watch(made)
        daemon.sync(made)
        yield made
        daemon.stop()
        reopen(made.root)


def test_the_rest_is_saved_and_what_opens_is_seen_at_once(daemon: Daemon, bench: Bench) -> None:
    bench.write({"a.bin": "2", "d/one": "22", "secret": "s"})
    os.chmod(bench.path("d"), 0)
    os.chmod(bench.path("secret"), 0)
    report = daemon.sync(bench)
    assert report["state"] == "watching"
    assert {s["path"]: s["reason"] for s in report["skipped"]} == {"d": DENIED, "secret": DENIED}
    assert content(bench, "a.bin") == b"2"
    assert content(bench, "d/one") == b"1"
    with daemon.connect(timeout=60) as saved:
        saved.ask("follow")
        os.chmod(bench.path("d"), 0o755)
        version = saved.next()["version"]
    assert content(bench, "d/one", version) == b"22"


def test_a_directory_that_was_closed_from_the_start_is_watched_once_it_opens(
    daemon: Daemon, bench: Bench
) -> None:
    bench.write({"new/below/x": "1"})
    os.chmod(bench.path("new"), 0)
    daemon.restart() if daemon.stop() == 0 else pytest.fail("it did not end well")
    daemon.sync(bench)
    with daemon.connect(timeout=60) as saved:
        saved.ask("follow")
        os.chmod(bench.path("new"), 0o755)
        assert content(bench, "new/below/x", saved.next()["version"]) == b"1"
        bench.write({"new/below/x": "22"})
        assert content(bench, "new/below/x", saved.next()["version"]) == b"22"


def test_a_checkpoint_is_not_torn_by_a_shard_that_cannot_be_read(
    daemon: Daemon, bench: Bench
) -> None:
    names = [f"m/model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = json.dumps({"weight_map": {name: name[2:] for name in names}})
    bench.write({**dict.fromkeys(names, SHARD), "m/model.safetensors.index.json": index})
    daemon.sync(bench)
    bench.write(dict.fromkeys(names, SHARD + b" "))
    os.chmod(bench.path(names[1]), 0)
    bench.write({"m/model.safetensors.index.json": index + " ", "a.bin": "2"})
    for _ in range(300):
        report = daemon.ask("sync", root=str(bench.root), timeout=0.1)["workspace"]
        if report["waiting_count"] == 1 and content(bench, "a.bin") == b"2":
            break
    assert {w["set"]: w["reason"] for w in report["waiting"]} == {"m/": f"{names[1]} {DENIED}"}
    assert content(bench, "a.bin") == b"2"
    assert content(bench, names[0]) == SHARD
    os.chmod(bench.path(names[1]), 0o644)
    daemon.sync(bench)
    assert content(bench, names[1]) == SHARD + b" "


def test_shards_in_the_root_do_not_wait_for_a_closed_directory(
    daemon: Daemon, bench: Bench
) -> None:
    bench.write({"model-00001-of-00001.safetensors": SHARD})
    os.chmod(bench.path("d"), 0)
    daemon.sync(bench)
    assert content(bench, "model-00001-of-00001.safetensors") == SHARD
