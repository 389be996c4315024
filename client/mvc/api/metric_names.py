"""Names of metrics: which are axes, which stand apart as `path:name`, and whether `mvc.toml` settles them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mvcd.inspect.axes import is_axis, is_same_figure, short_name

__all__ = ["by_weight", "is_axis", "is_same_figure", "is_settled", "short_name", "without_copies"]


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


def by_weight(keys: Iterable[str]) -> list[str]:
    """Sorts metrics of which it is known what is better first: `eval_loss` before `eval_runtime`."""
    from mvcd.inspect.direction import Direction, MetricRules  # late: start-up

    rules = MetricRules.default()
    return sorted(keys, key=lambda key: rules.direction(key) is Direction.NEITHER)


def is_settled(root: str) -> bool:
    """Whether the workspace at `root` says whose names are short. Raises Failure on a bad `mvc.toml`."""
    from mvcd.repo.workspace.settings import main_metrics  # late: start-up

    return bool(main_metrics(root))
