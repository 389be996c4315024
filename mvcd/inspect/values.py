"""Settings and metrics in files, as flat keys, by the suffix of the file.

Settings are YAML 1.2, JSON, TOML or INI. Metrics are documents of YAML and JSON, or rows of CSV, TSV and JSON
lines, of which each column's last value counts (lastrows.py). Rows are also a JSON list of objects that have a
step or epoch, a history of Keras or XGBoost (`{"loss": [0.9, 0.7]}`), and JSON lines under the name `.json`, as
detectron2 writes them. A `.log` or `.txt` that begins like a table or like JSON lines is read as such.

Reading is bounded in bytes, depth and keys, and never fails: what cannot be understood gives no values and a
reason. Equal bytes under an equal suffix give equal values on every machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import BinaryIO, TypeGuard

from mvcd.inspect import inifile, lastrows, yaml12
from mvcd.inspect.axes import is_axis
from mvcd.inspect.flatten import flatten
from mvcd.inspect.lastrows import UNREADABLE, LastValues
from mvcd.lateclasses import dataclass
from mvcd.objects.version import Value

MAX_BYTES = 8 << 20
"""Largest document that is parsed (YAML, TOML and INI: 256 KiB, for their parsers are slow)."""

MAX_ROWS_BYTES = 512 << 20
"""Largest file of rows that is read, at 20 to 100 MB a second; memory does not grow with it."""

_MAX_SEPARATORS = 500_000
"""Commas and opening brackets of a JSON file: 8 MiB of "[],[],..." would take 180 MB."""

_MAX_TOML_BYTES = 256 << 10
_LONG_TOML_KEY = re.compile(
    r"""(?<![\w."'-])(?>(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}"""
)
"""64 dotted parts. tomllib (3.11) copies a key's prefixes once per part: 256 KiB of "a.a.a..." take hours."""

_HISTORY = re.compile(r"(?:.*[-_.])?(?:history|hist|evals?_results?|evals|losses|learning_curves?)")
"""Names, less their suffix, of files in which a list of numbers is one metric over its steps."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file says; `problem` tells why it says nothing. `points` are (step, value) of one metric, where
    that was asked for."""

    values: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None
    points: Sequence[tuple[float, float]] = ()


def parse_settings(path: str, data: bytes) -> Parsed:
    """Hyperparameters of a YAML, JSON, TOML or INI file, by its suffix."""
    suffix = path.rpartition(".")[2].lower()
    reader = _SETTINGS.get(suffix)
    if reader is None:
        return Parsed(problem=f"no values are read from .{suffix} files")
    try:
        return Parsed(flatten(_document(data, reader)))
    except (ValueError, RecursionError) as error:
        return Parsed(problem=str(error) or type(error).__name__)


def read_metrics(path: str, file: BinaryIO, size: int, wanted: str | None = None) -> Parsed:
    """Metrics of a JSON, YAML, JSON lines, CSV or TSV file, or of a log of rows, by its suffix. `wanted` is one
    metric whose points are gathered too. OSError passes through."""
    name = path.rpartition("/")[2].lower()
    stem, _, suffix = name.rpartition(".")
    rows = LastValues(wanted)
    try:
        if suffix in _ROWS:
            if size > MAX_ROWS_BYTES:
                raise ValueError(f"larger than {MAX_ROWS_BYTES >> 20} MiB")
            _ROWS[suffix](file, rows)
            return Parsed(rows.values, points=rows.points)
        if suffix == "json":
            return _json_metrics(stem, file, size, rows)
        if suffix not in ("yaml", "yml"):
            return Parsed(problem=f"no values are read from .{suffix} files")
        return Parsed(flatten(_document(file.read(MAX_BYTES + 1), yaml12.load)))
    except UNREADABLE as error:
        return Parsed(problem=str(error).split("\n", 1)[0] or type(error).__name__)


def by_depth(path: str) -> tuple[int, str]:
    """The rank of a file: `params.yaml` stands before `config/a.yaml`."""
    return path.count("/"), path


def merge_values(
    files: Sequence[tuple[str, Mapping[str, Value]]],
    *,
    rank: Callable[[str], tuple[int, ...] | tuple[int, str]] = by_depth,
    owner: Callable[[str, Sequence[str]], str] | None = None,
) -> dict[str, Value]:
    """All files' values under one set of keys, whatever the order of `files`.

    A key that several files have belongs to the one that `owner` names, by default the first by `rank`; the
    others' is written `path:key`.
    """
    ranked = sorted(files, key=lambda file: rank(file[0]))
    having: dict[str, list[str]] = {}
    for path, values in ranked:
        for key in values:
            having.setdefault(key, []).append(path)
    if owner is None:
        owners = {key: paths[0] for key, paths in having.items()}
    else:
        owners = {k: owner(k, paths) if len(paths) > 1 else paths[0] for k, paths in having.items()}
    merged: dict[str, Value] = {}
    for path, values in ranked:
        for key, value in values.items():
            free = key if owners[key] == path else f"{path}:{key}"
            while free in merged:
                free = f"{path}:{free}"
            merged[free] = value
    return merged


def json_document(text: str) -> object:
    """Any JSON within bounds. Raises ValueError and RecursionError."""
    if sum(map(text.count, ",[{")) > _MAX_SEPARATORS:
        raise ValueError("too many values")
    return json.loads(text)


# -------------------------------------------------------------------- documents


def _document(data: bytes, reader: Callable[[str], object]) -> object:
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
    found = reader(data.decode("utf-8-sig"))
    if found is not None and not isinstance(found, (dict, list)):
        raise ValueError("neither a table nor a list")
    return {} if found is None else found


def _toml(text: str) -> object:
    import tomllib  # late: start-up

    if len(text) > _MAX_TOML_BYTES:
        raise ValueError(f"TOML of more than {_MAX_TOML_BYTES >> 10} KiB")
    if _LONG_TOML_KEY.search(text):
        raise ValueError("a key of more than 64 parts")
    return tomllib.loads(text)


_SETTINGS: Mapping[str, Callable[[str], object]] = {
    "yaml": yaml12.load, "yml": yaml12.load, "json": json_document, "toml": _toml,
    "ini": inifile.load, "cfg": inifile.load, "conf": inifile.load,
}  # fmt: skip


# -------------------------------------------------------------------- metrics


def _json_metrics(stem: str, file: BinaryIO, size: int, rows: LastValues) -> Parsed:
    try:
        found = _document(file.read(MAX_BYTES + 1), json_document)
    except (ValueError, RecursionError):
        if size > MAX_ROWS_BYTES or not _begins_as_lines(file):
            raise
        lastrows.read_json_lines(file, rows)
        return Parsed(rows.values, points=rows.points)
    if _are_rows(found):
        lastrows.read_objects(found, rows)
        return Parsed(rows.values, points=rows.points)
    if isinstance(found, dict) and _HISTORY.fullmatch(stem) and _is_history(found):
        _take_history(found, rows)
        return Parsed(rows.values, points=rows.points)
    if isinstance(found, dict):
        found = {key: _last_of_rows(value) for key, value in found.items()}
    return Parsed(flatten(found))


def _begins_as_lines(file: BinaryIO) -> bool:
    """Whether the first line is an object by itself; the file is at its start then, as before."""
    file.seek(0)
    line = file.read(256 << 10).lstrip().partition(b"\n")[0]
    file.seek(0)
    try:
        return isinstance(json_document(line.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _are_rows(found: object) -> TypeGuard[list[dict[str, object]]]:
    """A list of nothing but objects that say which step or epoch they are of."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(row, dict) and any(map(is_axis, row)) for row in found)
    )


def _last_of_rows(value: object) -> object:
    if not _are_rows(value):
        return value
    rows = LastValues()
    lastrows.read_objects(value, rows)
    return rows.values


def _is_history(found: object, depth: int = 0) -> bool:
    """Whether all leaves are lists of numbers, and there are some."""
    if isinstance(found, dict):
        return bool(found) and depth < 4 and all(_is_history(v, depth + 1) for v in found.values())
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found)


def _take_history(found: Mapping[str, object], rows: LastValues) -> None:
    columns: dict[str, list[float]] = {}
    stack: list[tuple[str, object]] = [("", found)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            pairs = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
            stack += reversed(pairs)
        elif isinstance(value, list):
            columns[path] = value
    for at in range(max(map(len, columns.values()))):
        rows.add({key: column[at] for key, column in columns.items() if at < len(column)})


def _log(file: BinaryIO, rows: LastValues) -> None:
    """A log that is a table (Keras' CSVLogger) or JSON lines; any other has no metrics, and that is no
    fault."""
    head = file.read(64 << 10)
    file.seek(0)
    text = head.decode("utf-8", "replace").lstrip("\ufeff \r\n")
    if text.startswith("{") and _begins_as_lines(file):
        lastrows.read_json_lines(file, rows)
    elif _LOG_TABLE.match(text):
        lastrows.read_delimited(file, ",", rows)


_LOG_TABLE = re.compile(
    r"""[A-Za-z_][\w./ @-]{0,80}(?P<by>[,;\t])[A-Za-z_][\w./ @-]{0,80}(?:(?P=by)[^\r\n]*)?[\r\n]+
        [ ]*[-+]?[0-9.][0-9.e+-]*[ ]*(?P=by)""",
    re.VERBOSE,
)
"""Two names in the first line, a number in the second."""


def _delimited(usual: str) -> Callable[[BinaryIO, LastValues], None]:
    return lambda file, rows: lastrows.read_delimited(file, usual, rows)


_ROWS: Mapping[str, Callable[[BinaryIO, LastValues], None]] = {
    "csv": _delimited(","), "tsv": _delimited("\t"),
    "jsonl": lastrows.read_json_lines, "ndjson": lastrows.read_json_lines,
    "log": _log, "txt": _log,
}  # fmt: skip
