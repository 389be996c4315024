"""What the name of a number says: whether it is an axis, as steps and times are, and no metric to compare, and
whether it stands apart from another of that name, and says the same."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

STEPS = ("step", "global_step", "iteration", "iter", "total_timesteps", "epoch")
"""The last parts of keys that count progress, in the order in which a step is looked for."""

_STEPS = frozenset((*STEPS, "_step", "iterations", "epochs", "timesteps", "time_step"))
_CLOCKS = frozenset(
    "time timestamp wall_time walltime date datetime _runtime _timestamp time_elapsed elapsed".split()
)
_PARTS = re.compile(r"[./]")


@lru_cache(maxsize=4096)
def is_axis(key: str) -> bool:
    """Whether `key` (`epoch`, `train/global_step`, `time`) counts steps or tells a time.

    A step may have a place before it. A time has none, for `inference.time` is a result; the file that tells
    two equal keys apart (`logs/a.csv:time`) is no such place.
    """
    name = key.rpartition(":")[2].lower()
    return name in _CLOCKS or _PARTS.split(name)[-1] in _STEPS


def is_same_figure(a: object, b: object) -> bool:
    """Whether what two files say of one name is one figure, to the 24 bits of a float32: loggers write a number
    to event files as such, and in full to a table beside them. True is not 1, and one NaN is like another."""
    if isinstance(a, float) or isinstance(b, float):
        numbers = type(a) in (int, float) and type(b) in (int, float)
        return numbers and (_close(a, b) or (a != a and b != b))  # noqa: PLR0124
    return type(a) is type(b) and a == b


def _close(a: Any, b: Any) -> bool:
    return math.isclose(a, b, rel_tol=2**-23)


def short_name(key: str) -> str:
    """`loss` of `runs/a/metrics.json:loss`, which several files have; any other key as it is."""
    path, colon, name = key.partition(":")
    return name if colon and ("/" in path or "." in path) else key
