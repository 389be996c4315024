"""The versioned settings of a workspace: `mvc.toml` at its root.

[components]
weights = ["runs/**/ckpt-*"]     # globs that come before the built-in rules, per component

[metrics]
higher = ["*margin*"]            # what is better; the same for lower, and neither
main = "metrics.json"            # whose names are short where several files have them (recording.py)

[links]
follow = ["data"]                # links to directories that are saved as directories (linked.py)

[stages.production]              # what a version needs to be promoted to it (gate.py)
require = ["val_acc>=0.93"]
signed = true
"""

from __future__ import annotations

import os
import tomllib
from typing import Any

from mvcd.errors import Failure
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.direction import MetricRules
from mvcd.repo.workspace.linked import Follow, rule

FILE = "mvc.toml"
MAX_SETTINGS_BYTES = 1 << 20
"""Bytes. It comes with clones; nobody writes a thousand lines of it."""


def load(root: str) -> dict[str, Any]:
    """The parsed file, {} when there is none. Raises Failure when it cannot be understood."""
    path = os.path.join(root, FILE)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
        if len(data) > MAX_SETTINGS_BYTES:
            raise ValueError(f"it is larger than {MAX_SETTINGS_BYTES >> 20} MiB")
        return tomllib.loads(data.decode())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:  # no UTF-8 and no TOML are ValueErrors
        raise Failure(f"cannot read {path}", kind="bad-config", cause=str(error)) from None


def component_rules(root: str) -> ComponentRules:
    """The built-in rules, overridden by the workspace's own. Raises Failure on a bad table."""
    overrides = load(root).get("components")
    rules = ComponentRules.default()
    if overrides is None:
        return rules
    try:
        return rules.with_overrides(overrides)
    except (ValueError, TypeError, AttributeError) as error:
        raise _wrong("components", 'weights = ["ckpt/**"]', str(error)) from None


def followed_links(root: str) -> Follow | None:
    """Which links are followed; None if none is. Raises Failure."""
    table = load(root).get("links")
    if table is None:
        return None
    globs = table.get("follow", []) if isinstance(table, dict) else None
    if not isinstance(globs, list) or not all(isinstance(g, str) and g for g in globs):
        raise _wrong("links", 'follow = ["data"]')
    return rule(globs)


def metric_rules(root: str) -> MetricRules:
    """The built-in rules of what is better, overridden by the workspace's own. Raises Failure."""
    table = load(root).get("metrics")
    if table is None:
        return MetricRules.default()
    try:
        return MetricRules.of(table)
    except (ValueError, TypeError, AttributeError) as error:
        raise _wrong("metrics", 'lower = ["*distance*"]', str(error)) from None


def main_metrics(root: str) -> tuple[str, ...]:
    """Globs of the files whose metrics have the short names, first things first. Raises Failure."""
    table = load(root).get("metrics")
    found = table.get("main", []) if isinstance(table, dict) else []
    globs = [found] if isinstance(found, str) else found
    if not isinstance(globs, list) or not all(isinstance(g, str) and g for g in globs):
        raise _wrong("metrics", 'main = "metrics.json"', "main must be a path or a list of paths")
    return tuple(globs)


def _wrong(table: str, example: str, cause: str | None = None) -> Failure:
    return Failure(
        f"the [{table}] table of {FILE} is wrong",
        kind="bad-config",
        cause=cause,
        help=f"write it like: {example}",
    )
