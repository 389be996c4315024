"""Runs commands as children and says what each cost; compares them in interleaved rounds.

A figure is taken of a whole process, start-up included, as a person would feel it: wall time, user
and system CPU time, and peak resident memory, all from `wait4` (so descendants that were waited for
count in CPU time, and the largest single process counts in memory).

Single times on a shared machine mean little: another tenant, the disk's cache or a slower clock
moves them by tens of percent. So subjects run in turn, A B C, then B C A, then C A B, and what is
compared is the ratio *within* a round; the median of those ratios is the result.

Three traps this module avoids:

- Data that one run left unwritten in the page cache would be paid for by the next one. `settle`
  therefore syncs before the clock starts.
- A virtual machine may give its free memory back to the host (free page reporting: after two
  seconds), and whoever touches it next pays for getting it again: `cp` and `sync` of 1 GiB took 0.7 s
  in used memory and 1.1 to 4 s in memory given back, nearly all of it system time. That would make
  ratios depend on who ran before. `settle` therefore also uses and frees as much memory as the
  command will need; a machine that owns its memory does not notice.
- Linux counts the parent's memory at the fork into the child's peak: under a parent of 300 MiB even
  `true` shows 300. The harness must stay smaller than what it measures (it has about 15 MiB), so it
  never imports numpy: `data.py` makes its files in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, KiB here
_PAGE = 4096
_TOUCH = """
import mmap, sys
pages = int(sys.argv[1])
mmap.mmap(-1, pages * 4096)[::4096] = bytes(pages)
"""
_KEPT_OUTPUT = 2000  # characters of a failed command's output that its error quotes


class Unmeasured(Exception):
    """A figure could not be taken; the message says why, and how to get it."""


@dataclass(frozen=True)
class Cost:
    """What one command, or several in sequence, took."""

    wall: float
    """Seconds from start to exit."""
    cpu: float
    """User and system seconds, descendants included."""
    peak: int
    """Bytes: the largest resident size of any one process."""
    output: str = ""
    """Standard output."""
    stored: int | None = None
    """Bytes on disk that the command added to its repository, where that was looked at."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            wall=self.wall + other.wall,
            cpu=self.cpu + other.cpu,
            peak=max(self.peak, other.peak),
            output=self.output + other.output,
            stored=other.stored if self.stored is None else self.stored,
        )


def settle(memory: int) -> None:
    """Bring the machine to rest: no dirty pages of others, `memory` bytes ready to be used.

    The memory is touched in a child, which leaves no trace in this process's own peak. It is limited
    to half of what is free, so that nothing is pushed out of the page cache.
    """
    os.sync()
    if memory and sys.platform == "linux":
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        pages = min(memory, free // 2) // _PAGE
        if pages:
            subprocess.run([sys.executable, "-I", "-c", _TOUCH, str(pages)], check=True)


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run `argv` to its end in `cwd` and return its cost.

    Raises Unmeasured when the command exits with another status than 0.
    """
    # Files, not pipes: nobody has to be awake to drain them while the clock runs.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        child = subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)  # reaped here, so Popen must be told
        stdout.seek(0)
        stderr.seek(0)
        output = stdout.read().decode(errors="replace")
        if child.returncode != 0:
            said = (stderr.read().decode(errors="replace") or output)[-_KEPT_OUTPUT:].strip()
            raise Unmeasured(f"`{' '.join(argv)}` exited with {child.returncode}: {said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT, output)


Subject = Callable[[Path], Mapping[str, Cost]]
"""Sets up in a fresh directory, measures, returns its costs; their names start with its own."""


@dataclass
class Rounds:
    """Costs by name, one per round; and by subject, why it has none."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[Cost]:
        """All costs of `name`. Raises Unmeasured when there are none."""
        if name not in self.costs:
            raise Unmeasured(self.reasons.get(name.partition(" ")[0], f"{name}: not measured"))
        return self.costs[name]

    def wall(self, name: str) -> float:
        """The median over the rounds of wall(name), in seconds."""
        return statistics.median(cost.wall for cost in self.of(name))

    def ratio(self, name: str, other: str) -> float:
        """The median over the rounds of wall(name) / wall(other), both from the same round."""
        pairs = zip(self.of(name), self.of(other), strict=True)
        return statistics.median(a.wall / b.wall for a, b in pairs)

    def cpu_ratio(self, name: str, other: str) -> float:
        """The median over the rounds of cpu(name) / cpu(other), both from the same round."""
        pairs = zip(self.of(name), self.of(other), strict=True)
        return statistics.median(a.cpu / b.cpu for a, b in pairs)

    def difference(self, name: str, other: str) -> float:
        """The median over the rounds of wall(name) - wall(other), in seconds."""
        pairs = zip(self.of(name), self.of(other), strict=True)
        return statistics.median(a.wall - b.wall for a, b in pairs)

    def stored(self, name: str, *, per: int = 1) -> float:
        """The median over the rounds of what `name` added on disk, in units of `per` bytes."""
        every = [cost.stored for cost in self.of(name) if cost.stored is not None]
        if not every:
            raise Unmeasured(f"{name}: its size on disk was not looked at")
        return statistics.median(every) / per

    def peak(self, name: str, *, per: int = 1) -> float:
        """The largest peak memory of `name` in any round, in units of `per` bytes."""
        return max(cost.peak for cost in self.of(name)) / per


def interleave(subjects: Mapping[str, Subject], *, rounds: int, scratch: Path) -> Rounds:
    """Run every subject once per round, each round starting with another subject.

    A subject that cannot be measured is left out of all further rounds, its earlier costs are
    dropped (pairs must be whole), and its reason is kept.
    """
    result = Rounds()
    names = list(subjects)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            if name in result.reasons:
                continue
            directory = Path(tempfile.mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=scratch))
            try:
                for key, cost in subjects[name](directory).items():
                    result.costs.setdefault(key, []).append(cost)
            except Unmeasured as error:
                result.reasons[name] = str(error)
                for key in [key for key in result.costs if key.partition(" ")[0] == name]:
                    del result.costs[key]
            finally:
                shutil.rmtree(directory, ignore_errors=True)
    return result


def allocated(path: Path) -> int:
    """Bytes that the disk gives to a file or tree: holes cost nothing, padding does."""
    if not path.is_dir():
        return path.stat().st_blocks * 512
    total = 0
    for folder, _, files in os.walk(path):
        total += os.stat(folder).st_blocks * 512
        total += sum(os.lstat(os.path.join(folder, name)).st_blocks * 512 for name in files)
    return total
