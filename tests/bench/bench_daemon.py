"""What it costs to be watched: when a checkpoint appears, what training loses, what idling takes.

1. --size of random bytes are written and closed; the clock runs until the daemon tells of the version.
2. A loop of matrix products that writes --size every 5 seconds, watched and not watched by turns; compared
   is the mean time of a step, writes left out, within a round. Then the same beside four busy processes a core.
3. 10,000 watched directories and nothing to do: the daemon's share of a core over a minute (--quick: 1,000,
   10 s).

The daemon runs with its defaults (settle = 2 s), in places of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps, loads
from pathlib import Path
from statistics import median
from typing import Any

from measure import Unmeasured
from report import Bench, main

SETTLE = 2.0
_TRAINER = """
import json, os, sys, time
import numpy as np
path, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
a = np.random.default_rng(0).random((384, 384), dtype=np.float32)
data = os.urandom(1 << 20) * (size >> 20)
steps, spent, end, write_at = 0, 0.0, time.monotonic() + seconds, time.monotonic() + 1
while time.monotonic() < end:
    began = time.perf_counter()
    a = a @ a
    a /= np.abs(a).max()
    spent += time.perf_counter() - began
    steps += 1
    if time.monotonic() >= write_at:
        write_at += 5
        with open(path + ".tmp", "wb") as file:
            file.write(steps.to_bytes(8, "little") + data)
        os.replace(path + ".tmp", path)
print(json.dumps(spent / steps))
"""


class Daemon:
    """`mvcd run` in places of its own, asked over its socket."""

    def __init__(self, places: Path) -> None:
        self.environment = {
            **os.environ,
            "MVC_RUNTIME_DIR": str(places / "run"),
            "MVC_STATE_DIR": str(places / "state"),
        }
        self._socket = str(places / "run" / "mvcd.sock")
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mvcd.daemon", "run", "--ready-fd", str(writing)],
            pass_fds=(writing,), env=self.environment,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            if pipe.read() != b"ready\n":
                raise Unmeasured("mvcd did not start")

    def ask(self, **request: Any) -> Iterator[dict[str, Any]]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(600)
            connection.connect(self._socket)
            connection.sendall(dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    yield loads(line)

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def watched(bench: Bench, name: str, directories: int = 0) -> Iterator[tuple[Daemon, Path]]:
    """A new workspace under the care of a new daemon, its first version saved."""
    root = bench.scratch / name
    root.mkdir()
    (root / "notes.md").write_text("about")
    for number in range(directories):
        (root / f"d{number // 100}" / f"e{number % 100}").mkdir(parents=True)
    mvc = [sys.executable, "-m", "mvc", "-q"]
    subprocess.run([*mvc, "init", str(root)], check=True)
    subprocess.run([*mvc, "-C", str(root), "add", "."], check=True)
    daemon = Daemon(bench.scratch / f"{name}-places")
    try:
        next(daemon.ask(verb="watch", root=str(root), author="bench"))
        next(daemon.ask(verb="sync", root=str(root), timeout=60))
        yield daemon, root
    finally:
        daemon.process.terminate()
        daemon.process.wait()


def latency(bench: Bench) -> float:
    """Seconds from the close of a checkpoint to its version, the slowest of the rounds."""
    found = []
    with watched(bench, "latency") as (daemon, root):
        events = daemon.ask(verb="follow")
        next(events)
        for number in range(bench.rounds):
            data = os.urandom(bench.size)
            (root / "model.bin").write_bytes(data)
            closed = time.monotonic()
            event = next(events)
            found.append(time.monotonic() - closed)
            bench.note(
                f"save {number + 1}: {found[-1]:.2f} s, of which {event['seconds']:.2f} s saving"
            )
    return max(found)


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that want a processor."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def training(bench: Bench, seconds: float, loops: int = 0) -> float:
    """Mean time of a step, watched against not, the median of the rounds' ratios."""
    ratios = []
    with watched(bench, f"training-{loops}") as (_daemon, root), busy(loops):
        alone = bench.scratch / f"alone-{loops}"
        alone.mkdir()
        for number in range(bench.rounds):
            places = [root, alone] if number % 2 else [alone, root]
            took = {place: _train(place, bench.size, seconds) for place in places}
            ratios.append(took[root] / took[alone])
            bench.note(f"round {number + 1}: {ratios[-1]:.4f}")
    return 100 * (median(ratios) - 1)


def _train(place: Path, size: int, seconds: float) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _TRAINER, str(place / "model.bin"), str(size), str(seconds)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True, capture_output=True,
    )  # fmt: skip
    return float(loads(done.stdout))


def idle(bench: Bench, directories: int, seconds: float) -> float:
    """Percent of one core while nothing happens."""
    with watched(bench, "idle", directories) as (daemon, _root):
        before = daemon.cpu()
        time.sleep(seconds)
        return 100 * (daemon.cpu() - before) / seconds


def body(bench: Bench) -> None:
    quick = bench.size < 50 << 20
    bench.at_most(f"a closed checkpoint of {bench.size >> 20} MiB is a version, at the latest after",
                  SETTLE + 1, "s", lambda: latency(bench))  # fmt: skip
    bench.at_most("a training step takes longer when watched, by", 1.0, "%",
                  lambda: training(bench, 12.0 if quick else 32.0))  # fmt: skip
    loops = 4 * len(os.sched_getaffinity(0))
    bench.at_most(f"a training step takes longer when watched, beside {loops} busy processes, by", 2.0, "%",
                  lambda: training(bench, 12.0 if quick else 32.0, loops))  # fmt: skip
    directories, seconds = (1_000, 10.0) if quick else (10_000, 60.0)
    bench.at_most(f"idle, {directories} directories: share of a core", 0.5, "%",
                  lambda: idle(bench, directories, seconds))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(body, __doc__, size="100m", quick="20m", rounds=5))
