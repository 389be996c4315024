"""Names of metrics: which are axes, which stand apart as `path:name`, and whether `mvc.toml` settles them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from mvcd.inspect.axes import is_axis, is_same_figure, short_name

__all__ = [
    "by_weight",
    "has_direction",
    "held_out_first",
    "is_aside",
    "is_axis",
    "is_same_figure",
    "is_settled",
    "ranked",
    "short_name",
    "without_copies",
]


_HELD_OUT = re.compile(
    r"(?:^|[^a-z])(?:val|valid|validation|eval|evaluation|test|dev|holdout)(?![a-z])", re.I
)


def without_copies(
    values: Mapping[str, Any], same: Callable[[Any, Any], bool] = is_same_figure
) -> dict[str, Any]:
    """Leaves out each `path:name` that says what the short name says: runs write figures to several files."""
    return {
        key: value
        for key, value in values.items()
        if (short := short_name(key)) == key
        or short not in values
        or not same(values[short], value)
    }


@lru_cache(maxsize=4096)
def has_direction(key: str) -> bool:
    """Whether the name of a metric tells what is better, higher or lower."""
    from mvcd.inspect.direction import Direction, MetricRules  # late: start-up

    return MetricRules.default().direction(key) is not Direction.NEITHER


def by_weight(keys: Iterable[str]) -> list[str]:
    """Sorts metrics of which it is known what is better first: `eval_loss` before `eval_runtime`."""
    return sorted(keys, key=lambda key: not has_direction(key))


def ranked(keys: Iterable[str]) -> list[str]:
    """Sorts metrics with a direction first, then others, then steps and times; in front of all `path:name`."""
    by_name = by_weight(keys)
    return sorted(by_name, key=lambda key: (short_name(key) != key, is_axis(key)))


def held_out_first(keys: Iterable[str]) -> list[str]:
    """Sorts metrics of data that was not trained on first, by the usual words: where there is room for few,
    they say most."""
    return sorted(keys, key=lambda key: not _HELD_OUT.search(key))


def is_aside(key: str, keys: Collection[str]) -> bool:
    """Whether `key` is one more file's `path:name` of a name among `keys` of which none is better: the
    `eval_runtime` of a trainer's state beside that of its results."""
    short = short_name(key)
    return short != key and short in keys and not has_direction(short)


def is_settled(root: str) -> bool:
    """Whether the workspace at `root` says whose names are short. Raises Failure on a bad `mvc.toml`."""
    from mvcd.repo.workspace.settings import load, main_metrics  # late: start-up

    return bool(main_metrics(load(root)))
