"""Metrics and settings in files that every version records: `metrics.json` and `params.json` of the workspace.

The files are conventional, so other tools read them, and `mvc diff` and `mvc log` show their values. Each call
replaces the file by one with the new values added, in one rename: a reader sees the old one or the new.
Of two processes that log at the same moment one may lose its values; let one process do it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from typing import Any

Scalar = Any
"""A number, text, truth value or None; or what has `.item()` for one, as tensors of one element do."""

METRICS = "metrics.json"
PARAMS = "params.json"


def log_metrics(
    metrics: Mapping[str, Scalar],
    *,
    step: int | None = None,
    directory: str | os.PathLike[str] = ".",
) -> str:
    """Adds to the workspace's metrics.json, and `step` with them; returns the file's path.

    The workspace is the one at or above `directory`; where there is none, the file is in `directory`. The
    course of a metric is in the versions: `mvc log --metrics`.
    """
    values = dict(metrics) if step is None else {**metrics, "step": step}
    return _add(METRICS, values, os.fspath(directory))


def log_params(params: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> str:
    """Adds hyperparameters, which may be nested mappings and lists, to params.json; returns its path."""
    return _add(PARAMS, params, os.fspath(directory))


def workspace_of(directory: str) -> str | None:
    """The root of the workspace at or above a directory."""
    current = os.path.realpath(directory)
    while not os.path.isfile(os.path.join(current, ".mvc", "config.toml")):
        if current == os.path.dirname(current):
            return None
        current = os.path.dirname(current)
    return current


def _add(name: str, values: Mapping[str, Any], directory: str) -> str:
    path = os.path.join(workspace_of(directory) or os.path.abspath(directory), name)
    merged = {**_read(path), **{str(key): _plain(value) for key, value in values.items()}}
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(merged, file, indent=2)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return path


def _read(path: str) -> dict[str, Any]:
    """What the file holds; a file of somebody else's making that is no table is not added to but replaced."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
