"""Metrics and settings in files that every version records: `metrics.json` and `params.json` of the workspace.

The files are conventional, so other tools read them, and `mvc diff` and `mvc log` show their values. Each call
replaces the file by one with the new values added, in one rename: a reader sees the old one or the new.
Processes that train together have a metrics.json each (steps.py). Of other processes that log at the same
moment one may lose its values; let one process do it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mvc.training import steps

Scalar = Any
"""A number, text, truth value or None; or what has `.item()` for one, as tensors of one element do."""

PARAMS = "params.json"


def log_metrics(
    metrics: Mapping[str, Scalar],
    *,
    step: int | None = None,
    directory: str | os.PathLike[str] = ".",
) -> str:
    """Adds to the workspace's metrics.json, which keeps the last values; returns the file's path.

    With `step`, a line is appended to metrics.steps.jsonl too, which keeps all values over the steps:
    `mvc plot --x step` draws them. `epoch` and `timestamp` among the metrics are axes of that line then, as
    `step` is, and no metrics. The workspace is the one at or above `directory`; where there is none, the files
    are in `directory`. In process 3 of several that train together they are `metrics.rank3.json` and
    `metrics.rank3.steps.jsonl`.

    Raises UsageError where `step` is not a whole number, and OSError.
    """
    rank = steps.rank()
    stem = f"metrics.rank{rank}" if rank else "metrics"
    place = _place(os.fspath(directory))
    values = {str(key): plain(value) for key, value in metrics.items()}
    if step is not None:
        steps.append(os.path.join(place, f"{stem}.steps.jsonl"), steps.whole(step), values)
        values = {key: value for key, value in values.items() if key not in steps.AXES}
    return _add(os.path.join(place, f"{stem}.json"), values)


def log_params(params: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> str:
    """Adds hyperparameters, which may be nested mappings and lists, to params.json; returns its path."""
    values = {str(key): plain(value) for key, value in params.items()}
    return _add(os.path.join(_place(os.fspath(directory)), PARAMS), values)


def workspace_of(directory: str) -> str | None:
    """The root of the workspace at or above a directory."""
    current = os.path.realpath(directory)
    while not os.path.isfile(os.path.join(current, ".mvc", "config.toml")):
        if current == os.path.dirname(current):
            return None
        current = os.path.dirname(current)
    return current


def _place(directory: str) -> str:
    return workspace_of(directory) or os.path.abspath(directory)


def _add(path: str, values: Mapping[str, Any]) -> str:
    replace(path, json.dumps({**_read(path), **values}, indent=2) + "\n")
    return path


def replace(path: str, text: str) -> None:
    """Gives a file new content in one rename. Raises OSError; the file is the old one then."""
    with written_beside(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def written_beside(path: str) -> Iterator[str]:
    """A name to write at, which becomes `path` in one rename if the block ends well. Raises OSError."""
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _read(path: str) -> dict[str, Any]:
    """What the file holds; a file of somebody else's making that is no table is not added to but replaced."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def plain(value: Any) -> Any:
    """Turns a value into what JSON can hold: numbers of libraries as numbers, other objects as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
