"""No space left: a clear failure, nothing half-written, and everything works once there is room again."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.repo.records.results import Context
from tests.store.children import Child
from tests.support.engine import Repository
from tests.support.workspace import Bench

CONTEXT = Context("Ada", time_us=1)


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def limited(limit: int, act: Callable[[], object]) -> tuple[int, list[str]]:
    """Runs `act` in a process where no file may grow beyond `limit`; reports the Failure's kind."""

    def work(report: Callable[[str], None]) -> None:
        signal.signal(
            signal.SIGXFSZ, signal.SIG_IGN
        )  # then write() answers EFBIG, as ENOSPC would be
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            act()
        except Failure as error:
            report(error.kind)
            assert error.help
        else:
            report("done")

    return Child(work).end()


@pytest.mark.parametrize("limit", [0, 1, 1000, 60_000, 1_000_000, 3_000_000])
def test_commit_in_a_full_disk(bench: Bench, limit: int) -> None:
    bench.save({"a.bin": noise(1, 1000)})
    bench.write({"a.bin": noise(2, 5_000_000), "b.bin": noise(3, 5000), "notes": "x" * 3000})
    files = bench.files()
    bench.repo.close()

    def commit() -> None:
        with Repository.open(str(bench.root)) as repo:
            repo.commit("too much", context=CONTEXT)

    assert limited(limit, commit) == (0, ["disk-full"])
    repo = bench.reopen()
    assert repo.head.number == 1
    assert repo.read("a.bin") == noise(1, 1000)
    assert repo.verify().ok
    assert bench.files() == files
    assert bench.commit().number == 2
    assert {r.path: repo.read(r.path) for r in repo.ls()} == files
    assert repo.verify().ok


@pytest.mark.parametrize("limit", [0, 1, 60_000, 1_000_000, 4_500_000])
@pytest.mark.parametrize("verb", ["checkout", "rollback", "restore"])
def test_moves_in_a_full_disk(bench: Bench, limit: int, verb: str) -> None:
    old = {"a.bin": noise(2, 5_000_000), "b.bin": noise(3, 5000), "d/c": "1"}
    bench.save(old)
    bench.remove("d/c")
    os.rmdir(bench.path("d"))
    bench.save({"a.bin": b"2", "b.bin": b"2", "d": "now a file"})
    files = bench.files()
    bench.repo.close()

    def move() -> None:
        with Repository.open(str(bench.root)) as repo:
            getattr(repo, verb)("v1", context=CONTEXT)

    assert limited(limit, move) == (0, ["disk-full"])
    assert bench.files() == files
    repo = bench.reopen()
    assert repo.head.number == 2
    assert repo.status().clean
    getattr(repo, verb)("v1", context=bench.context())
    assert bench.files() == {p: c if isinstance(c, bytes) else c.encode() for p, c in old.items()}
    assert repo.verify().ok


SCRIPT = """
import os, sys
from mvcd.errors import Failure
from tests.support.engine import Repository
from mvcd.repo.records.results import Context

root, context = sys.argv[1], Context("Ada", time_us=1)

def attempt(act):
    try:
        return act()
    except Failure as error:
        assert error.kind == "disk-full" and error.help, (error, error.cause)

def whole(repo):
    assert repo.verify().ok
    return {row.path: repo.read(row.path) for row in repo.ls()}

os.makedirs(root + "/w")
with Repository.create(root + "/w", context=context) as repo:
    repo.add([root + "/w"], context=context)
    kept = {}
    full = 0
    for number in range(200):
        name, data = f"{number % 7}.bin", os.urandom(400_000)
        try:
            with open(f"{root}/w/{name}", "wb") as file:
                file.write(data)
        except OSError:
            os.unlink(f"{root}/w/{name}")
            full += 1
            break
        done = attempt(lambda: repo.commit("m", context=context))
        if done is None:
            full += 1
            break
        kept = whole(repo)
        assert kept[name] == data
    assert full, "the disk never filled"
    number = repo.head.number
with Repository.open(root + "/w") as repo:
    assert repo.head.number == number and whole(repo) == kept
    before = {name for name in os.listdir(root + "/w")}
    done = attempt(lambda: repo.checkout("v1", context=context, force=True))
    assert done is not None or {name for name in os.listdir(root + "/w")} == before
with Repository.open(root + "/w") as repo:
    assert whole(repo) == kept or repo.head.number == 1
os.system(f"mount -o remount,size=64m {root}")
with Repository.open(root + "/w") as repo:
    repo.checkout("main", context=context, force=True)
    assert repo.status().clean and whole(repo) == kept
    with open(root + "/w/more", "wb") as file:
        file.write(os.urandom(400_000))
    repo.commit("there is room again", context=context)
    assert repo.verify().ok
print("survived")
"""


def test_a_small_disk_of_its_own_fills_up(tmp_path: Path) -> None:
    """ENOSPC wherever it strikes: packs, the index, leases, staging. Needs user namespaces."""
    probe = subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)],
        capture_output=True,
    )
    if probe.returncode:
        pytest.skip(f"no user namespace with mounts here: {probe.stderr.decode().strip()}")
    command = 'mount -t tmpfs -o size=16m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    python = os.path.realpath(sys.executable)
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, "sh", str(tmp_path), python, SCRIPT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert ran.stdout.strip().endswith("survived"), ran.stderr
