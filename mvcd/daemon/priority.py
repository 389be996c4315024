"""A low place in the queues for processor and disk, so that training comes first.

`nice` 10 gives a competing process of the default priority nine tenths of a contested core. I/O priority is
the lowest of the best-effort class (ioprio_set(2)): idle class would starve saves for as long as training
reads data. Both are inherited by threads started afterwards. Schedulers without priorities ignore the latter.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys

NICE = 10
_BEST_EFFORT_LOWEST = (2 << 13) | 7
_WHO_PROCESS = 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
"""System call numbers (asm/unistd.h); libc has no wrapper."""


def lower() -> None:
    """Call before other threads start."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    number = _IOPRIO_SET.get(platform.machine())
    if sys.platform.startswith("linux") and number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(number, _WHO_PROCESS, 0, _BEST_EFFORT_LOWEST)
