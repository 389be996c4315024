"""Processes of this user as /proc shows them (proc_pid(5)): who they are, what they hold open for writing.

A process may end between any two steps, and its number be given to another: it is identified by number and
start time, and whatever cannot be read of it is not there. Entries of other users are not looked at.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from mvcd.repo.core.location import DIRECTORY

_MAX_DESCRIPTORS = 512
"""Looked at in one process. Trainers have tens; a thousand take 2 ms."""

_WORDS_BYTES = 64 << 10
"""Of a command line that are read; the kernel allows megabytes."""

File = tuple[int, int]
"""Device and inode: what a file keeps when it is renamed from its temporary name."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process at one moment. `started` is in seconds since the epoch, 10 ms exact, never too late."""

    pid: int
    ticks: int  # start time as the kernel counts it
    started: float
    parent: int
    exe: str  # "" if it is not to be known
    argv: tuple[str, ...]

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.ticks


class Processes:
    """Reads `proc`. Without one (other systems, a fault in mounting it) there are no processes."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._user = os.geteuid()

    def pids(self) -> list[int]:
        """All that there are, the youngest numbers first: what runs has mostly been started lately."""
        try:
            return sorted((int(n) for n in os.listdir(self._proc) if n.isdecimal()), reverse=True)
        except OSError:
            return []

    def ours(self, pid: int) -> bool:
        """Whether it is this user's, and readable (one that changed its rights belongs to root)."""
        try:
            return os.stat(f"{self._proc}/{pid}").st_uid == self._user
        except OSError:
            return False

    def read(self, pid: int) -> ProcessStat | None:
        """None if it has ended, is another user's, or a thread of the kernel."""
        before = self._stat(pid)
        if before is None or not self.ours(pid):
            return None
        argv, exe = self._argv(pid), self._link(pid, "exe")
        if before != self._stat(pid) or not argv:
            return None
        parent, ticks = before
        return ProcessStat(
            pid, ticks, _wall_clock(ticks), parent, exe.removesuffix(" (deleted)"), argv
        )

    def lives(self, process: ProcessStat) -> bool:
        """Whether it still runs, and its number was not given to another."""
        again = self.read(process.pid)
        return again is not None and again.identity == process.identity

    def directory(self, pid: int) -> str:
        """Returns the current directory of a process, "" if that cannot be known or was removed."""
        path = self._link(pid, "cwd")
        return "" if path.endswith(" (deleted)") else path

    def held(self, pid: int, below: str) -> Iterator[File]:
        """Files whose path begins with `below` that it holds open for writing, but for a repository's own.

        The mode of the link says whether for reading or writing (proc_pid_fd(5)), which spares fdinfo.
        """
        directory = f"{self._proc}/{pid}/fd"
        try:
            with os.scandir(directory) as entries:
                for entry in islice(entries, _MAX_DESCRIPTORS):
                    if (file := _writable(f"{directory}/{entry.name}", below)) is not None:
                        yield file
        except OSError:
            return

    def written(self, pid: int) -> int | None:
        """Bytes that it has passed to write() and its like since it started (proc_pid_io(5)); None if the
        kernel does not count them."""
        try:
            with open(f"{self._proc}/{pid}/io", encoding="ascii") as file:
                return next((int(line[6:]) for line in file if line.startswith("wchar:")), None)
        except (OSError, ValueError):
            return None

    def mapped(self, pid: int, limit: int = 1 << 20) -> Iterable[str]:
        """The lines of its mapped files."""
        try:
            with open(f"{self._proc}/{pid}/maps", encoding="utf-8", errors="replace") as file:
                return file.read(limit).splitlines()
        except OSError:
            return ()

    def _stat(self, pid: int) -> tuple[int, int] | None:
        """(parent, start in ticks since boot). The name before them may have spaces and brackets in it."""
        try:
            with open(f"{self._proc}/{pid}/stat", "rb", buffering=0) as file:
                fields = file.read(4096).rpartition(b")")[2].split()
            return int(fields[1]), int(fields[19])
        except (OSError, ValueError, IndexError):
            return None

    def _argv(self, pid: int) -> tuple[str, ...]:
        try:
            with open(f"{self._proc}/{pid}/cmdline", "rb", buffering=0) as file:
                data = file.read(_WORDS_BYTES)
        except OSError:
            return ()
        words = data.removesuffix(b"\0").split(b"\0") if data else []
        return tuple(word.decode("utf-8", "replace") for word in words)

    def _link(self, pid: int, name: str) -> str:
        try:
            return os.readlink(f"{self._proc}/{pid}/{name}")
        except OSError:
            return ""


def _writable(link: str, below: str) -> File | None:
    try:
        path = os.readlink(link)
        if not path.startswith(below) or path.startswith(os.path.join(below, DIRECTORY, "")):
            return None
        if not os.lstat(link).st_mode & stat.S_IWUSR:
            return None
        found = os.stat(link)
    except OSError:
        return None  # closed meanwhile
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _wall_clock(ticks: int) -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    # Somebody else may have the core between the two readings, which makes the difference too small, never too
    # large: 20 in a million by up to 20 ms, with 4 busy loops a core. Of the largest of three, none in 100,000.
    booted = max(time.time() - time.clock_gettime(clock) for _ in range(3))
    return booted + ticks / os.sysconf("SC_CLK_TCK")
