"""The history of metrics over the steps of training: `metrics.steps.jsonl`, beside metrics.json.

One JSON object a line, one line a call, appended: whatever the length of the file, a call costs the same.
`step`, `timestamp` (milliseconds of Unix time) and `epoch` are axes, all other columns are metrics, which may
be in some lines only. A line is one write to the end of the file, so lines of several processes do not mix;
what kill -9 cut short is passed over by readers, and the next line does not join it. Where a step comes again,
as after a resume, the newest value holds.

Processes that train together write files of their own: `metrics.json` is that of the first,
`metrics.rank3.json` and `metrics.rank3.steps.jsonl` those of the fourth, as the launcher numbers them.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from mvc.api import errors

AXES = ("step", "timestamp", "epoch")

_RANKS = (
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
)
"""What torchrun and accelerate, srun, and two kinds of mpirun tell the processes that they start."""


def rank() -> int:
    """The number of this process among those of one training; 0 for the first, and for one that is alone."""
    for number, count in _RANKS:
        mine, all_of_us = os.environ.get(number, ""), os.environ.get(count, "")
        if mine.isdecimal() and all_of_us.isdecimal() and int(all_of_us) > 1:
            return int(mine)
    return 0


def whole(step: Any) -> int:
    """A step as a whole number; tensors of one element are asked for theirs. Raises UsageError."""
    item = getattr(step, "item", None)
    value = item() if callable(item) else step
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.UsageError(
            f"a step is a whole number, and {step!r} is none", kind="no-step",
            help="mvc.log_metrics({...}, step=100)",
        )  # fmt: skip
    return value


def append(path: str, step: int, values: Mapping[str, Any]) -> None:
    """Adds a row. Raises OSError; what was there before stays."""
    now = {"step": step, "timestamp": now_milliseconds()}
    append_line(path, json.dumps({**now, **values, "step": step}))


def now_milliseconds() -> int:
    """Milliseconds of Unix time."""
    return time.time_ns() // 1_000_000


def append_line(path: str, line: str) -> None:
    """Adds a line to a file of any lines, which is made if there is none. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = (("\n" if torn else "") + line + "\n").encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(descriptor)
