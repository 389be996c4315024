"""The forms of DVCLive's files: rows of a metric, YAML, and names that are paths."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from mvc.api import errors
from mvc.training.steps import append_line, now_milliseconds


def parts_of(name: str) -> list[str]:
    """The parts of a name that is a relative path. Raises UsageError."""
    parts = os.path.normpath(name).split(os.sep)
    if not name or os.path.isabs(name) or parts[0] in ("..", ".") or "\0" in name:
        raise errors.UsageError(f"{name!r} is no name", help="a name like train/loss")
    return parts


def is_one(value: Any) -> bool:
    """Whether it is one number or text, or what libraries have for one."""
    return isinstance(value, (bool, int, float, str)) or callable(getattr(value, "item", None))


def is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ""))


def remove(path: str) -> None:
    """A file, or a directory with all in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def add_row(path: str, name: str, step: int, value: Any, *, timestamp: bool) -> None:
    """Adds a row to a metric's file, under the columns that the first one made. Raises UsageError, OSError."""
    columns, first = _header(path), ""
    if columns is None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        columns = [*(["timestamp"] if timestamp else []), "step", name]
        first = _tsv(columns) + "\n"
    if timestamp and "timestamp" not in columns:
        raise errors.UsageError(
            f"{path} has no column timestamp", cause="its first row was logged without",
            help="log all rows of a metric with timestamp=True, or none",
        )  # fmt: skip
    row = {"timestamp": now_milliseconds(), "step": step, name: value}
    append_line(path, first + _tsv([row.get(column, "") for column in columns]))


def _header(path: str) -> list[str] | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return next(csv.reader(file, delimiter="\t"), None)
    except FileNotFoundError:
        return None


def _tsv(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="").writerow(cells)
    return text.getvalue()


def yaml_text(document: Mapping[str, Any]) -> str:
    """YAML in block style, as DVCLive writes it."""
    from ruamel.yaml import YAML  # late: start-up

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = sys.maxsize
    text = io.StringIO()
    yaml.dump(dict(document), text)
    return text.getvalue()


def read_yaml(path: str) -> dict[str, Any]:
    """The table in a file; {} of what is none."""
    from ruamel.yaml import YAML  # late: start-up

    with open(path, encoding="utf-8") as file:
        found = YAML(typ="safe").load(file)
    return found if isinstance(found, dict) else {}
