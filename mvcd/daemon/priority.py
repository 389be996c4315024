"""How important the reading of captures is to the machine: below training, but never starved.

The daemon itself runs as any program does: it sleeps nearly always, and what it does at once (take a state out
of a program's reach) costs system calls. The reader, which reads, cuts and encodes, begins at `NICE`: the
weight of nice 5 is 335 where a training process has 1024 (sched(7)), so beside four busy processes on a core
it still gets a twelfth of it, where nice 19 (weight 15) got 1/270 and starved. When what it reads has waited
for long it is raised to the priority of everybody else; who may not raise a priority starts another one.

Where sessions are scheduled as groups (autogroup, the default on desktops), nice counts only inside a session,
so the reader leads one of its own and lowers that too. I/O priority is the lowest of the best-effort class
(ioprio_set(2)): the idle class would starve saves for as long as training reads data.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys

NICE = 5
_AUTOGROUP = "/proc/self/autogroup"
_BEST_EFFORT = 2 << 13
_LOWEST, _MIDDLE = 7, 4
_WHO_PROCESS = 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
"""System call numbers (asm/unistd.h); libc has no wrapper."""


def lower() -> None:
    """Lowers this process. Call before other threads start."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError), open(_AUTOGROUP, "w", encoding="ascii") as group:
            group.write(str(NICE))
    _set_io(0, _LOWEST)


def lift(pid: int) -> bool:
    """Raises a process to where everybody is, all its threads; whether that was allowed (CAP_SYS_NICE)."""
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
        for thread in threads:
            os.setpriority(os.PRIO_PROCESS, thread, 0)
            _set_io(thread, _MIDDLE)
    except OSError:
        return False
    with (
        contextlib.suppress(OSError),
        open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as group,
    ):
        group.write("0")
    return True


def loaded() -> bool:
    """Whether more processes want to run than half of our processors are for, and more than one does."""
    try:
        return os.getloadavg()[0] > max(1.0, len(os.sched_getaffinity(0)) / 2)
    except (OSError, AttributeError):
        return False


def processor_seconds(pid: int) -> float | None:
    """What a process has used so far (proc_pid_stat(5): utime and stime); None if it is gone, or no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _set_io(thread: int, level: int) -> None:
    number = _IOPRIO_SET.get(platform.machine())
    if sys.platform.startswith("linux") and number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(
            number, _WHO_PROCESS, thread, _BEST_EFFORT | level
        )
