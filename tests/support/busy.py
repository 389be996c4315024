"""A busy machine: processes that do nothing but want a processor, ended with the block."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy(per_core: int = 4) -> Iterator[None]:
    """`per_core` of them for each core that this process may use, in a session of their own each, as the
    processes of other people are (where the kernel schedules sessions as groups, that is the hard case)."""
    count = per_core * len(os.sched_getaffinity(0))
    processes = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
