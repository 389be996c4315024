"""What a server needs when many push at once: its memory, and how its throughput falls.

1, 8 and 64 clients push at the same moment to one `mvcd serve`: each from a workspace of its own, over a
connection of its own, to a branch of its own, one file of --size whose bytes do not shrink; first all to one
repository, then to eight. They are threads of eight processes. The server's memory is the peak that the kernel
saw (VmHWM); the most that was its own, and not pages of files, is sampled beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from measure import Cost, Rounds, Unmeasured
from peers import Program
from report import Bench, main
from serving import REPO, Server, serving

CLIENTS = (1, 8, 64)
PROCESSES = 8
REPOSITORIES = 8
MEMORY = 500
"""MiB."""
_EACH = 0.02
_SAVE = """
import os, sys
import mvc
for number in range(int(sys.argv[2])):
    root = os.path.join(sys.argv[1], str(number))
    os.mkdir(root)
    with mvc.Repo.init(root) as repo, open(os.path.join(root, "model.bin"), "wb") as file:
        file.write(os.urandom(int(sys.argv[3])))
        file.flush()
        repo.add(root)
        repo.commit(str(number))
"""
_PUSH = """
import os, sys, threading
import mvc, mvcd.sync.push, mvcd.wire.dial
urls = sys.argv[2].split()
failed = []
def push(number):
    try:
        with mvc.Repo(os.path.join(sys.argv[1], number)) as repo:
            repo.push(f"HEAD:{sys.argv[3]}-{number}", remote=urls[int(number) % len(urls)])
    except BaseException as error:
        failed.append(repr(error))
threads = [threading.Thread(target=push, args=(number,)) for number in sys.argv[4:]]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print("; ".join(failed), flush=True)
"""


@dataclass(frozen=True)
class Load:
    """What the server took while some clients pushed."""

    seconds: float
    peak: int
    """Bytes, of files mapped into memory too."""
    own: int

    def as_cost(self) -> Cost:
        return Cost(self.seconds, 0.0, self.peak)


def body(bench: Bench) -> None:
    work = bench.scratch / "work"
    work.mkdir()
    _python(bench.programs.mvc, _SAVE, work, max(CLIENTS), bench.size)
    rounds = Rounds()
    for repositories in (1, REPOSITORIES):
        for clients in CLIENTS:
            name = f"{clients} clients, {repositories} repositories"
            for turn in range(bench.rounds):
                place = bench.scratch / f"{clients}-{repositories}-{turn}"
                place.mkdir()
                load = _load(bench, work, place, clients, repositories)
                rounds.costs.setdefault(name, []).append(load.as_cost())
                speed = clients * bench.size / load.seconds / (1 << 20)
                bench.note(
                    f"{name}: {speed:.0f} MiB/s, peak {load.peak >> 20} MiB, own {load.own >> 20} MiB"
                )
        bench.at_most(
            f"peak memory of the server, 64 clients, {repositories} repositories", MEMORY, "MiB",
            lambda name=name: rounds.peak(name, per=1 << 20),
        )  # fmt: skip
        few = f"8 clients, {repositories} repositories"
        bench.at_least(
            f"throughput with 64 clients, of that with 8, {repositories} repositories", 0.7, "x",
            lambda name=name, few=few: 8 / rounds.ratio(name, few),
        )  # fmt: skip
    bench.keep_rounds(rounds)


def _load(bench: Bench, work: Path, place: Path, clients: int, repositories: int) -> Load:
    with serving(bench.programs.mvc, place) as server:
        urls = [server.url().replace(REPO, f"{REPO}{n}") for n in range(repositories)]
        for n in range(repositories):
            root = place / "server"
            server.mvc.run(
                "admin", "repo", "add", "--root", root, f"{REPO}{n}", cwd=place, settle=False
            )
        pushing = [
            _process(
                server, work, urls, place.name, [str(n) for n in range(first, clients, PROCESSES)]
            )
            for first in range(min(PROCESSES, clients))
        ]
        for one in pushing:
            assert one.stdout is not None and one.stdin is not None
            one.stdout.readline()
        began = time.perf_counter()
        for one in pushing:
            one.stdin.write(b"\n")
            one.stdin.close()
        own = 0
        while any(one.poll() is None for one in pushing):
            own = max(own, _status(server.process.pid, "RssAnon"))
            time.sleep(_EACH)
        seconds = time.perf_counter() - began
        for one in pushing:
            failures = one.stdout.read().decode().strip()
            one.stdout.close()
            if failures or one.returncode:
                raise Unmeasured(f"a push failed: {failures[:500]}")
        return Load(seconds, _status(server.process.pid, "VmHWM"), own)


def _process(
    server: Server, work: Path, urls: list[str], branch: str, numbers: list[str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PUSH, str(work), " ".join(urls), branch, *numbers],
        env=dict(server.mvc.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def _python(mvc: Program, program: str, *arguments: object) -> None:
    subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], env=dict(mvc.env), check=True
    )


def _status(pid: int, field: str) -> int:
    """Bytes, of /proc/PID/status (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise Unmeasured("the system does not tell of a process's memory")


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="16MiB", quick="1MiB", rounds=1))
