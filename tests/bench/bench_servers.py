"""How much more two servers without state take than one, where the bucket is not the bound.

Eight clients push to eight repositories of a team's root in a bucket, which is a directory in memory
(/dev/shm), so that no engine bounds what is measured: first all through one `mvcd serve`, then half of them
through another one. Each pushes one file of --size whose bytes do not shrink.

What is compared is the CPU time of the busier server with that of the one: as many times more pushes go through
two servers where each has cores of its own. On a machine whose cores servers and clients share, the time until
all pushes are done says little of the servers; it is shown beside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench_clients import _PUSH, _SAVE
from measure import Cost, Unmeasured, interleave
from peers import Mvc
from report import Bench, main
from serving import PATIENCE, free_port, wait_for

REPOSITORIES = 8
SHARE = 1.7
_MEMORY = Path("/dev/shm")


def body(bench: Bench) -> None:
    work = bench.scratch / "work"
    work.mkdir()
    _python(bench.programs.mvc, _SAVE, work, REPOSITORIES, bench.size)
    subjects = {f"{n} servers": partial(_pushed, bench, work, n) for n in (1, 2)}
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=REPOSITORIES * bench.size)
    bench.at_least(
        "pushes that two servers take where one takes one, by the CPU time of the busier", SHARE, "x",
        lambda: rounds.cpu_ratio("1 servers: busiest", "2 servers: busiest"),
    )  # fmt: skip


def _pushed(bench: Bench, work: Path, count: int, scratch: Path) -> Mapping[str, Cost]:
    mvc = bench.programs.mvc
    with ExitStack() as ends:
        place = ends.enter_context(_memory(scratch))
        root = f"bucket+file://{place / 'bucket'}"
        servers = [ends.enter_context(_serving(mvc, root, scratch, n)) for n in range(count)]
        for n in range(REPOSITORIES):
            words = ("admin", "repo", "add", "--root", root, f"team/model{n}")
            mvc.run(*words, cwd=scratch, settle=False)
        for port, _ in servers:
            _login(mvc, f"grpc://127.0.0.1:{port}", scratch / "admin.token")
        urls = " ".join(
            f"grpc://127.0.0.1:{servers[n % count][0]}/team/model{n}" for n in range(REPOSITORIES)
        )
        before = [_cpu_seconds(process.pid) for _, process in servers]
        began = time.perf_counter()
        _python(mvc, _PUSH, work, urls, scratch.name, *range(REPOSITORIES))
        seconds = time.perf_counter() - began
        busy = [
            _cpu_seconds(process.pid) - cpu
            for (_, process), cpu in zip(servers, before, strict=True)
        ]
    return {
        f"{count} servers: busiest": Cost(seconds, max(busy), 0),
        f"{count} servers: all": Cost(seconds, sum(busy), 0),
    }


@contextmanager
def _memory(scratch: Path) -> Iterator[Path]:
    place = tempfile.mkdtemp(prefix="mvc-bench-", dir=_MEMORY if _MEMORY.is_dir() else scratch)
    try:
        (Path(place) / "bucket").mkdir()
        yield Path(place)
    finally:
        shutil.rmtree(place)


@contextmanager
def _serving(
    mvc: Mvc, root: str, scratch: Path, number: int
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server over the bucket: its port and process. The first one writes the administrator's token."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "mvcd.daemon", "serve", "--root", root, "--listen", f"127.0.0.1:{port}",
         "--http", f"127.0.0.1:{free_port()}", "--cache", str(scratch / f"cache{number}"),
         "--admin-token", str(scratch / "admin.token")],
        env=dict(mvc.env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port, process)
        yield port, process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _login(mvc: Mvc, server: str, token: Path) -> None:
    with token.open("rb") as file:
        done = subprocess.run(
            [*mvc.found(), "login", server],
            env=dict(mvc.env),
            stdin=file,
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise Unmeasured(f"login failed: {done.stderr.decode()}")


def _cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _python(mvc: Mvc, program: str, *words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        env=dict(mvc.env), input=b"\n", capture_output=True, check=False,
    )  # fmt: skip
    failures = done.stdout.decode().removeprefix("ready").strip()
    if done.returncode or failures:
        raise Unmeasured((failures or done.stderr.decode())[-500:])


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="16MiB", quick="4MiB", rounds=3))
