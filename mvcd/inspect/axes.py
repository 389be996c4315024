"""What the name of a number says: whether it is an axis, as steps and times are, and no metric to compare, and
whether it stands apart from another of that name."""

from __future__ import annotations

import re

STEPS = ("step", "global_step", "iteration", "iter", "total_timesteps", "epoch")
"""The last parts of keys that count progress, in the order in which a step is looked for."""

_STEPS = frozenset((*STEPS, "_step", "iterations", "epochs", "timesteps", "time_step"))
_CLOCKS = frozenset(
    "time timestamp wall_time walltime date datetime _runtime _timestamp time_elapsed elapsed".split()
)
_PARTS = re.compile(r"[./]")


def is_axis(key: str) -> bool:
    """Whether `key` (`epoch`, `train/global_step`, `time`) counts steps or tells a time.

    A step may have a place before it. A time has none, for `inference.time` is a result; the file that tells
    two equal keys apart (`logs/a.csv:time`) is no such place.
    """
    name = key.rpartition(":")[2].lower()
    return name in _CLOCKS or _PARTS.split(name)[-1] in _STEPS


def short_name(key: str) -> str:
    """`loss` of `runs/a/metrics.json:loss`, which several files have; any other key as it is."""
    path, colon, name = key.partition(":")
    return name if colon and ("/" in path or "." in path) else key
