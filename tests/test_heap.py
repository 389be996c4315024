"""What was freed: a server shares few heaps, however many calls it has at once, and gives back what rests."""

from __future__ import annotations

import platform
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from mvcd.daemon.serve.command import MAX_HEAPS
from mvcd.store.memory_store import MemoryStore
from mvcd.wire.tidying import Tidying
from mvcd.wire.uploads import Uploads
from tests.daemon.serve.servers import ENVIRONMENT, Server, push_branch, team
from tests.support.workspace import Bench
from tests.wire.hosts import OneStore, OpenRepository

GLIBC = platform.libc_ver()[0] == "glibc"
HEAP_BYTES = 64 << 20
"""Heaps other than the first begin at multiples of so many bytes (HEAP_MAX_SIZE in glibc's arena.c)."""
CALLERS = 24
ROUNDS = 3
SECONDS = 20.0
GROWN = 16 << 20
"""Bytes for what is made once: threads, their stacks, what they keep for themselves."""

_THREADS = """
import sys, threading
from mvcd.heap import keep_blocks
from tests.test_heap import further_heaps

def start(count):
    met = threading.Barrier(count + 1)
    def work():
        kept.append(b"x" * 5000)
        met.wait()
        end.wait()
    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()
    met.wait()

kept, end = [], threading.Event()
if sys.argv[1] == "late":
    start(20)
keep_blocks(heaps=2)
start(20)
print(further_heaps("self"))
"""

_HOLES = """
from mvcd.heap import give_back, keep_blocks
from tests.test_heap import anonymous, tidied

keep_blocks(heaps=1)
blocks = [b"x" * (200 << 10 if n % 2 else 700) for n in range(640)]
full = anonymous("self")
del blocks[1::2]
{given}
print(full, anonymous("self"))
"""
LESS = 50 << 20
"""Of 62 MiB of blocks that are freed there, each between two that stay."""


def further_heaps(process: int | str) -> int:
    """How many heaps a process has besides the first: what is used of each, and after it what is reserved."""
    spans = []
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        part = line.split()
        start, _, end = part[0].partition("-")
        if part[4:] == ["0"]:
            spans.append((int(start, 16), int(end, 16), part[1]))
    return sum(
        used == "rw-p" and kept == "---p" and end == at and last == start + HEAP_BYTES
        for (start, end, used), (at, last, kept) in pairwise(spans)
        if start % HEAP_BYTES == 0
    )


def anonymous(process: int | str) -> int:
    """Bytes of memory that are a process's own."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    rows = dict(line.split(":", 1) for line in lines)
    return int(rows["RssAnon"].split()[0]) << 10


def told(program: str, *words: str) -> list[int]:
    ended = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    return [int(word) for word in ended.stdout.split()]


def test_a_server_takes_no_more_for_the_calls_that_it_had(tmp_path: Path) -> None:
    """gRPC starts a thread for each of its own affairs, and calls have threads of ours: they share a heap, and
    what they took of it goes back."""
    token = team(tmp_path / "root", "iris")
    with (
        Bench(tmp_path / "w") as bench,
        Server("--root", tmp_path / "root", "--listen", "127.0.0.1:0") as server,
    ):
        bench.save({"model.bin": random.Random(1).randbytes(8 << 20)})
        first = server.peer("iris", token)
        push_branch(bench, first, "main")
        first.close()
        ids = [id for id, _ in bench.repo._core.store.ids()]

        def read(_: int) -> int:
            peer = server.peer("iris", token)
            try:
                return sum(len(frame.records) for frame in peer.records(ids))
            finally:
                peer.close()

        before = anonymous(server.process.pid)
        with ThreadPoolExecutor(CALLERS) as pool:
            assert set(pool.map(read, range(ROUNDS * CALLERS))) == {len(ids)}
        assert further_heaps(server.process.pid) < MAX_HEAPS
        deadline = time.monotonic() + SECONDS
        while anonymous(server.process.pid) > before + GROWN and time.monotonic() < deadline:
            time.sleep(0.1)
        assert anonymous(server.process.pid) <= before + GROWN


@pytest.mark.parametrize("when", ["early", "late"])
def test_heaps_are_counted_before_the_first_thread(when: str) -> None:
    """The control: whoever says it late is not heard."""
    (found,) = told(_THREADS, when)
    assert (found < 2) == (when == "early" or not GLIBC)


@pytest.mark.parametrize("given", ["give_back()", "tidied(full)"])
def test_holes_are_given_back(given: str) -> None:
    full, left = told(_HOLES.format(given=given))
    assert not GLIBC or left < full - LESS


def tidied(full: int) -> None:
    """Waits until a server that looks often enough has given back."""
    stopping = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvcd.wire.tidying.RELIEF_SECONDS", 0.01)
        host = OneStore(OpenRepository(MemoryStore()))
        tidying = Tidying(host, Uploads(), time.monotonic, stopping)
        tidying.start()
        deadline = time.monotonic() + SECONDS
        while anonymous("self") > full - LESS and time.monotonic() < deadline:
            time.sleep(0.01)
        stopping.set()
        tidying.end()
