"""Settings and metrics in files, as flat keys: `{"opt": {"lr": 1e-3}}` is `opt.lr = 0.001`.

Settings are YAML 1.2 (so `1e-3` is a number and `no` is text), JSON or TOML; metrics also JSON lines, CSV and
TSV, of which the last row counts. Reading is bounded in bytes, depth and keys, and never fails: what cannot be
understood gives no values and a reason.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from mvcd.objects.version import Value

MAX_BYTES = 8 << 20
MAX_KEYS = 10_000
MAX_DEPTH = 64
MAX_TEXT = 4096
"""Characters of one value; longer text is cut, since a log is no place for documents."""

_MAX_ALIASES = 1000
"""YAML aliases in one file. Ten nested levels of ten aliases are 10^10 nodes: the billion laughs."""

_MAX_YAML = 512 << 10
"""Characters. The parser is in Python and reads about 100 KB a second: more would hold a commit up."""

_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file says; `problem` tells why it says nothing, or not all."""

    values: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None


class _Unreadable(Exception):
    """The reason why a file has no values."""


def parse_settings(path: str, data: bytes) -> Parsed:
    """Hyperparameters of a YAML, JSON or TOML file, by its suffix."""
    return _parse(path, data, _SETTINGS)


def parse_metrics(path: str, data: bytes) -> Parsed:
    """Metrics of a JSON, YAML, JSON lines, CSV or TSV file, by its suffix."""
    return _parse(path, data, _METRICS)


def merge_values(files: Sequence[tuple[str, Mapping[str, Value]]]) -> dict[str, Value]:
    """All files' values under one set of keys.

    A key that several files have belongs to the first in path order; the others' is written `path:key`.
    """
    merged: dict[str, Value] = {}
    for path, values in sorted(files, key=lambda item: item[0]):
        for key, value in values.items():
            merged[key if key not in merged else f"{path}:{key}"] = value
    return merged


def flatten(value: object) -> dict[str, Value]:
    """Dotted keys of nested mappings and lists; positions in lists are numbers, a bare value has key "value".

    Raises ValueError beyond MAX_DEPTH or MAX_KEYS. An empty mapping or list leaves no key.
    """
    flat: dict[str, Value] = {}
    for parts, leaf in _leaves(value, ()):
        flat[".".join(parts) or "value"] = _scalar(leaf)
        if len(flat) > MAX_KEYS:
            raise ValueError(f"more than {MAX_KEYS} keys")
    return flat


def _leaves(value: object, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, (*parts, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, below in enumerate(value):
            yield from _leaves(below, (*parts, str(index)))
    else:
        yield parts, value


def _scalar(value: object) -> Value:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    text = value if isinstance(value, str) else str(value)
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT]


# -------------------------------------------------------------------- formats


def _parse(path: str, data: bytes, readers: Mapping[str, Callable[[str], object]]) -> Parsed:
    suffix = path.rpartition(".")[2].lower()
    reader = readers.get(suffix)
    if reader is None:
        return Parsed(problem=f"no values are read from .{suffix} files")
    if len(data) > MAX_BYTES:
        return Parsed(problem=f"larger than {MAX_BYTES >> 20} MiB")
    try:
        found = reader(data.decode("utf-8-sig"))
        if not isinstance(found, (Mapping, list)):
            return Parsed(problem="neither a table nor a list")
        return Parsed(flatten(found))
    except (_Unreadable, ValueError, RecursionError) as error:
        return Parsed(problem=str(error) or type(error).__name__)


def _yaml(text: str) -> object:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > _MAX_YAML:
        raise _Unreadable(f"YAML larger than {_MAX_YAML >> 10} KiB")
    loader = YAML(typ="safe")
    try:
        if "&" in text and "*" in text:
            aliases = sum(1 for e in loader.parse(text) if type(e).__name__ == "AliasEvent")
            if aliases > _MAX_ALIASES:
                raise _Unreadable(f"more than {_MAX_ALIASES} aliases")
        return loader.load(text)
    except YAMLError as error:
        raise _Unreadable(str(error).split("\n", 1)[0]) from error


def _json_lines(text: str) -> object:
    for line in reversed(text.splitlines()):
        if line.strip():
            try:
                return json.loads(line)
            except ValueError:
                continue  # a last line cut short by a writer that was killed
    raise _Unreadable("no line is JSON")


def _table(delimiter: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter)
        try:
            header = next(rows, None)
            last: list[str] = []
            for row in rows:
                if len(row) == len(header or ()):
                    last = row
        except csv.Error as error:
            raise _Unreadable(str(error)) from error
        if not header or not last:
            raise _Unreadable("no row under a header")
        return {
            name.strip(): _number(cell.strip()) for name, cell in zip(header, last, strict=True)
        }

    return read


def _number(text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    spelled = text.lower().lstrip("+-")
    return number if math.isfinite(number) or spelled in ("nan", "inf", "infinity") else text


_SETTINGS: Mapping[str, Callable[[str], object]] = {
    "yaml": _yaml, "yml": _yaml, "json": json.loads, "toml": tomllib.loads,
}  # fmt: skip
_METRICS: Mapping[str, Callable[[str], object]] = {
    "yaml": _yaml, "yml": _yaml, "json": json.loads, "jsonl": _json_lines,
    "csv": _table(","), "tsv": _table("\t"),
}  # fmt: skip
