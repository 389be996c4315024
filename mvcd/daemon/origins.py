"""Which process wrote what is saved: what the kernel shows of it, remembered while it can be seen.

A training program that knows nothing of mvc is seen in three ways, the surest first:

1. it holds a file of the version open for writing, or did when the file was last written to;
2. it holds another file of the workspace open for writing: its log, its event file;
3. it is the only one of this user that stands in the workspace and could have written the files.

If several processes answer to the first of these that any answers to, nobody is named: a wrong answer is worse
than none. Source code and settings are people's work, written in a moment by an editor that is not seen: for
them only the first counts.

One program is often many processes. Workers that were forked (DataLoader) or started by multiprocessing count
as their oldest ancestor of the same program; of the ranks that a launcher started the first stands for all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mvcd.daemon import commands
from mvcd.daemon.processes import File, Processes, ProcessStat
from mvcd.inspect.components import ComponentRules
from mvcd.objects.version import Component

_GAP_SECONDS = 1.0
"""Seconds between two passes. One over 118 processes of this user takes 5 ms of CPU, over 612 of them 18 ms
(30 to 45 us each, on one core of a virtual machine)."""

_CPU_SECONDS = 0.005
_CPU_OF_ANSWER_SECONDS = 0.05
"""Seconds of a thread's CPU after which a pass stops; the next goes on where it stopped: at most half a percent
of a core. An answer is wanted once a version, and "the only one" needs all processes looked at."""

_MAX_PROCESSES = 1000
"""Looked into in one pass, at most."""

_FROM_THE_START = 1 << 62

_WINDOW_SECONDS = 2.0
"""Seconds after which a file that is written to again may have another writer than who was seen with it."""

_MAX_FILES = 4096
_MAX_HOLDERS = 256
"""Remembered; the oldest go first. 4096 files take 2.4 MB at most."""

_PEOPLES = (Component.ARCHITECTURE, Component.HYPERPARAMETERS)


@dataclass(frozen=True, slots=True)
class WriterOrigin:
    """A process that wrote files. `command` as it finds it in sys.argv, its first word without a directory."""

    pid: int
    command: tuple[str, ...]
    python: str  # "3.11.7"; "" if it is none or not to be known
    directory: str  # its current one; "" if it is not to be known


@dataclass(slots=True)
class _Seen:
    """A program, and when it was last seen (seconds since the epoch)."""

    leader: ProcessStat
    origin: WriterOrigin
    at: float


@dataclass(slots=True)
class _Pass:
    """What one walk over the processes found."""

    whole: bool = True
    held: list[tuple[ProcessStat, list[File]]] = field(default_factory=list)
    inside: list[ProcessStat] = field(default_factory=list)  # standing in the workspace

    @property
    def everybody(self) -> dict[tuple[int, int], ProcessStat]:
        return {p.identity: p for p in (*(process for process, _ in self.held), *self.inside)}


@dataclass(frozen=True, slots=True)
class _Count:
    """Bytes that processes had written in all at one moment (seconds since the epoch)."""

    at: float = 0.0
    bytes: Mapping[tuple[int, int], int | None] = field(default_factory=dict)


class Origins:
    """The memory for one workspace at `root` (a real path). For the keeper's thread."""

    def __init__(
        self, root: str, *, proc: str = "/proc", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = os.path.join(root, "")
        self._below = os.path.join(os.path.realpath(root), "")  # as the kernel spells it
        self._processes = Processes(proc)
        self._clock = clock
        self._next = float("-inf")
        self._resume = _FROM_THE_START  # processes of lower numbers are looked at next
        self._files: dict[File, dict[tuple[int, int], _Seen]] = {}
        self._holders: dict[tuple[int, int], _Seen] = {}
        self._leaders: dict[tuple[int, int, tuple[str, ...]], ProcessStat] = {}
        self._written = _Count()  # as it was at the last answer
        self._components = ComponentRules.default()

    def see(self, paths: Iterable[str]) -> None:
        """At each look, with the files that changed lately, if there are any: remembers who holds them, or any
        file of the workspace, open for writing. Returns at once if nothing changed, or a second is not over."""
        if not any(True for _ in paths) or self._clock() < self._next:
            return
        self._next = self._clock() + _GAP_SECONDS
        self._remember(self._pass(_CPU_SECONDS))

    def of(self, paths: Iterable[str]) -> WriterOrigin | None:
        """The process that wrote these files (absolute paths), as far as that is certain.

        It may have ended, if it was seen while it wrote. Files that are gone say nothing.
        """
        stats = [(path, found) for path in paths if (found := _stat(path)) is not None]
        if not stats:
            return None
        self._resume = _FROM_THE_START
        now = self._pass(_CPU_OF_ANSWER_SECONDS, inside=True)
        self._remember(now)
        before, self._written = self._written, self._count(now)
        writers = self._writers([found for _, found in stats])
        if writers:
            writer = _only(writers)
            return None if writer is None else writer.origin
        programs = [f for path, f in stats if self._component(path) not in _PEOPLES]
        if not programs or not now.whole:
            return None
        likely = self._likely(now, programs)
        if likely is None or not self._wrote_enough(likely.leader, now, before, programs):
            return None
        return likely.origin

    def _writers(self, files: Sequence[os.stat_result]) -> list[_Seen]:
        return [
            seen
            for found in files
            for seen in self._files.get((found.st_dev, found.st_ino), {}).values()
            if found.st_mtime <= seen.at + _WINDOW_SECONDS
        ]

    def _likely(self, now: _Pass, files: Sequence[os.stat_result]) -> _Seen | None:
        """The only one that holds a file of the workspace, else the only one that stands in it, of those that
        ran when the files were written."""
        leaders = {leader.identity: leader for leader in map(self._leader, now.inside)}
        alive = now.everybody.keys() | leaders.keys()
        holders = [seen for seen in self._holders.values() if self._could(seen, files, alive)]
        if holders:
            return _only(holders)
        standing = [self._seen(leader) for leader in leaders.values()]
        return _only(seen for seen in standing if self._could(seen, files, alive))

    def _could(
        self, seen: _Seen, files: Sequence[os.stat_result], alive: Set[tuple[int, int]]
    ) -> bool:
        """Whether it ran when the files were written."""
        times = [found.st_mtime for found in files]
        there = seen.leader.identity in alive or self._processes.lives(seen.leader)
        return seen.leader.started <= min(times) and (there or max(times) <= seen.at)

    def _count(self, now: _Pass) -> _Count:
        return _Count(
            time.time(), {i: self._processes.written(p.pid) for i, p in now.everybody.items()}
        )

    def _wrote_enough(
        self, leader: ProcessStat, now: _Pass, before: _Count, files: Sequence[os.stat_result]
    ) -> bool:
        """Whether the program has written as many bytes as the largest file has on the disk; if all the files
        are younger than the answer before this one, as many since then.

        One that only stands by has not, while another wrote that has ended. What the kernel does not count,
        writing by mapped memory, leads to no answer.
        """
        members = [p for p in now.everybody.values() if self._leader(p).identity == leader.identity]
        since = before.bytes if before.at < min(found.st_mtime for found in files) else {}
        growth = 0
        for process in members:
            written = self._written.bytes[process.identity]
            if written is None:
                return True
            growth += written - (since.get(process.identity) or 0)
        return not members or growth >= max(min(f.st_size, f.st_blocks * 512) for f in files)

    # ---------------------------------------------------------------- looking

    def _pass(self, cpu: float, *, inside: bool = False) -> _Pass:
        """Over the processes of this user: who holds what, and with `inside` also who stands in the workspace.

        Those that are known to hold files are looked at first.
        """
        found = _Pass()
        known = dict.fromkeys(pid for pid, _ in self._holders)
        rest = [pid for pid in self._processes.pids() if pid not in known and pid < self._resume]
        deadline = time.thread_time() + cpu
        looked, self._resume = 0, _FROM_THE_START
        for pid in (*known, *rest):
            if time.thread_time() > deadline or looked >= _MAX_PROCESSES:
                found.whole, self._resume = False, _FROM_THE_START if pid in known else pid + 1
                break
            if pid == os.getpid() or not self._processes.ours(pid):
                continue
            looked += 1
            files = list(self._processes.held(pid, self._below))
            there = inside and f"{self._processes.directory(pid)}/".startswith(self._below)
            if not (files or there) or (process := self._processes.read(pid)) is None:
                continue
            if commands.bystander(process.exe, process.argv):
                continue
            if files:
                found.held.append((process, files))
            if there:
                found.inside.append(process)
        return found

    def _remember(self, found: _Pass) -> None:
        for process, files in found.held:
            leader = self._leader(process)
            seen = self._seen(leader)
            self._holders.pop(leader.identity, None)  # the latest stand last
            self._holders[leader.identity] = seen
            for file in files:
                others = self._files.pop(file, {})
                still = {k: s for k, s in others.items() if seen.at - s.at <= _WINDOW_SECONDS}
                self._files[file] = {**still, leader.identity: seen}
        _forget(self._files, _MAX_FILES)
        _forget(self._holders, _MAX_HOLDERS)

    def _leader(self, process: ProcessStat) -> ProcessStat:
        """Found once, since it costs reading the ancestors, and they may end before their workers."""
        key = (*process.identity, process.argv)  # one that becomes another program is another
        if key not in self._leaders:
            self._leaders[key] = self._find_leader(process)
            _forget(self._leaders, _MAX_PROCESSES)
        return self._leaders[key]

    def _find_leader(self, process: ProcessStat) -> ProcessStat:
        """The oldest ancestor of the same program; the first rank, where a launcher started several."""
        leader = process
        for _ in range(64):
            parent = self._processes.read(leader.parent)
            if parent is None:
                break
            same = (parent.exe, parent.argv) == (leader.exe, leader.argv)
            worker = commands.of_its_parent(leader.argv)
            if not same and (not worker or commands.bystander(parent.exe, parent.argv)):
                return self._first_rank(leader, parent)
            leader = parent
        return leader

    def _first_rank(self, process: ProcessStat, parent: ProcessStat) -> ProcessStat:
        if not commands.launcher(parent.exe, parent.argv):
            return process
        ranks = (
            p for pid in self._processes.pids() if (p := self._processes.read(pid)) is not None
        )
        same = [
            p for p in ranks if (p.parent, p.exe, p.argv) == (parent.pid, process.exe, process.argv)
        ]
        return min((*same, process), key=lambda p: (p.ticks, p.pid))

    def _seen(self, leader: ProcessStat) -> _Seen:
        """As it is now; what is known of it is not read again."""
        now = time.time()
        known = self._holders.get(leader.identity)
        if known is not None and known.leader.argv == leader.argv:
            return _Seen(leader, known.origin, now)
        directory = self._processes.directory(leader.pid)
        version = commands.python_version(
            leader.exe, leader.argv, directory, partial(self._processes.mapped, leader.pid)
        )
        command = commands.words(leader.exe, leader.argv)
        return _Seen(leader, WriterOrigin(leader.pid, command, version, directory), now)

    def _component(self, path: str) -> Component:
        return self._components.component_of(path.removeprefix(self._root))


def _only(seen: Iterable[_Seen]) -> _Seen | None:
    """The one program that all of these are, or None."""
    programs = {s.leader.identity: s for s in seen}
    return next(iter(programs.values())) if len(programs) == 1 else None


def _forget(memory: dict[Any, Any], limit: int) -> None:
    while len(memory) > limit:
        del memory[next(iter(memory))]


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
