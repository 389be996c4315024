"""The `[watch]` table of `mvc.toml`: how patient saving by itself is, and what it leaves alone.

[watch]
settle = 2.0            # seconds a set must be quiet before it is saved
max_wait = 600          # seconds after which a set that is not fit is called stuck in the status
min_interval = 0        # seconds between two automatic versions
max_size = "20 GiB"     # larger files are left to a manual commit
include = ["runs/**"]   # only these are saved by themselves (.mvcignore syntax; default: all)
exclude = ["*.scratch"] # never these
poll = 10               # seconds between scans where events are not to be had

[[watch.sets]]          # a completion rule of one's own, before the built-in ones
directory = "runs/*/ckpt-*"
marker = "DONE"         # the file that is written last
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mvcd.errors import Failure
from mvcd.repo.workspace import settings
from mvcd.repo.workspace.ignore import Patterns

_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
          "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


@dataclass(frozen=True)
class DaemonLimits:
    """Times in seconds, sizes in bytes."""

    settle: float = 2.0
    max_wait: float = 600.0
    min_interval: float = 0.0
    max_size: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    poll: float = 10.0
    sets: tuple[tuple[str, str], ...] = ()

    @property
    def settle_unseen(self) -> float:
        """Quiet, in seconds, after changes that only a scan noticed: no event told when the last write was
        closed."""
        return 5 * self.settle

    @property
    def patience(self) -> float:
        """After this long, a set that is proven complete is saved although it is never quiet."""
        return 5 * self.settle

    def left_alone(self, path: str) -> str | None:
        """Why a path is not saved by itself."""
        if self._exclude is not None and self._exclude(path):
            return "excluded in mvc.toml"
        if self._include is not None and not self._include(path):
            return "not among the included in mvc.toml"
        return None

    @cached_property
    def _include(self) -> Callable[[str], bool] | None:
        return _matcher(self.include)

    @cached_property
    def _exclude(self) -> Callable[[str], bool] | None:
        return _matcher(self.exclude)


def load(root: str) -> DaemonLimits:
    """The workspace's own limits. Raises Failure on a table that cannot be understood."""
    table = settings.load(root).get("watch", {})
    try:
        return _parse(table)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise Failure(
            f"the [watch] table of {settings.FILE} is wrong",
            kind="bad-config",
            cause=str(error),
            help="write it like: settle = 2.0",
        ) from None


def _parse(table: Mapping[str, Any]) -> DaemonLimits:
    numbers = ("settle", "max_wait", "min_interval", "poll")
    unknown = table.keys() - {*numbers, "max_size", "include", "exclude", "sets"}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {n: _seconds(n, table[n]) for n in numbers if n in table}
    if "max_size" in table:
        found["max_size"] = _size(table["max_size"])
    for name in ("include", "exclude"):
        globs = table.get(name, [])
        if not isinstance(globs, list) or not all(isinstance(g, str) for g in globs):
            raise ValueError(f"{name} must be a list of patterns")
        found[name] = tuple(globs)
    found["sets"] = tuple((str(s["directory"]), str(s["marker"])) for s in table.get("sets", []))
    return DaemonLimits(**found)


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError(f"{name} must be a number of seconds")
    return float(value)


def _size(value: object) -> int:
    match = _SIZE.fullmatch(str(value))
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{value!r} is no size; write 500 MiB, or bytes")
    return int(float(match[1]) * unit)


def _matcher(globs: tuple[str, ...]) -> Callable[[str], bool] | None:
    if not globs:
        return None
    return Patterns(globs).match
