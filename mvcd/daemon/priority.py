"""A low place in the queues for processor and disk, so that training comes first.

`nice` 19 leaves a process of the default priority 98.5 % of a core that both want (weights 15 and 1024,
sched(7)), and still ends a save, where SCHED_IDLE would not. Where sessions are scheduled as groups
(autogroup, the default on desktops), nice counts only inside a session, so a daemon that leads one lowers that
too. I/O priority is the lowest of the best-effort class (ioprio_set(2)): the idle class would starve saves for
as long as training reads data. All is inherited by threads started afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys

NICE = 19
_AUTOGROUP = "/proc/self/autogroup"
_BEST_EFFORT_LOWEST = (2 << 13) | 7
_WHO_PROCESS = 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
"""System call numbers (asm/unistd.h); libc has no wrapper."""


def lower() -> None:
    """Call before other threads start."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError), open(_AUTOGROUP, "w", encoding="ascii") as group:
            group.write(str(NICE))
    number = _IOPRIO_SET.get(platform.machine())
    if sys.platform.startswith("linux") and number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(number, _WHO_PROCESS, 0, _BEST_EFFORT_LOWEST)
