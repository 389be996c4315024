"""Settings and metrics in files, as flat keys: `{"opt": {"lr": 1e-3}}` is `opt.lr = 0.001`.

Settings are YAML 1.2, JSON or TOML; metrics also JSON lines, of which the last object counts, CSV and TSV, of
which the last row counts. A cell that is empty there is filled from the nearest row above that has it, for
Lightning's CSVLogger writes training and validation metrics on rows of their own.

Reading is bounded in bytes, depth and keys, and never fails: what cannot be understood gives no values and a
reason. Equal bytes under an equal suffix give equal values on every machine.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time

from mvcd.inspect import yaml12
from mvcd.objects.version import Value

MAX_BYTES = 8 << 20
"""Largest file that is parsed (YAML and TOML: 256 KiB, for their parsers are slow)."""

MAX_KEYS = 10_000
MAX_LEVELS = 64
MAX_KEY_CHARACTERS = 512
"""Characters of one flat key; a file with a longer one has no values."""

MAX_TEXT_CHARACTERS = 1024
"""Characters of one value. Of longer text the beginning is kept, and a check value that tells it changed."""

_MAX_VISITS = 20 * MAX_KEYS
"""Containers and leaves seen while flattening: YAML aliases can make 10^10 of a few hundred bytes."""

_MAX_SEPARATORS = 500_000
"""Commas and opening brackets of a JSON file: 8 MiB of "[],[],..." would take 180 MB."""

_LAST_LINES = 100
"""Of a JSON lines file, where the last object is looked for."""

_MAX_TOML_BYTES = 256 << 10
_LONG_TOML_KEY = re.compile(
    r"""(?<![\w."'-])(?>(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}"""
)
"""64 dotted parts. tomllib (3.11) copies a key's prefixes once per part: 256 KiB of "a.a.a..." take hours."""

_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file says; `problem` tells why it says nothing."""

    values: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None


def parse_settings(path: str, data: bytes) -> Parsed:
    """Hyperparameters of a YAML, JSON or TOML file, by its suffix."""
    return _parse(path, data, _SETTINGS)


def parse_metrics(path: str, data: bytes) -> Parsed:
    """Metrics of a JSON, YAML, JSON lines, CSV or TSV file, by its suffix."""
    return _parse(path, data, _METRICS)


def merge_values(files: Sequence[tuple[str, Mapping[str, Value]]]) -> dict[str, Value]:
    """All files' values under one set of keys, whatever the order of `files`.

    Files rank by their depth, then by path: `params.yaml` stands before `config/a.yaml`. A key that several
    files have belongs to the first of them; the others' is written `path:key`.
    """
    merged: dict[str, Value] = {}
    for path, values in sorted(files, key=lambda file: (file[0].count("/"), file[0])):
        for key, value in values.items():
            free = key
            while free in merged:
                free = f"{path}:{free}"
            merged[free] = value
    return merged


def flatten(value: object) -> dict[str, Value]:
    """Dotted keys of nested mappings and lists; positions in lists are numbers, a bare value has key "value".

    An empty mapping or list leaves no key; of equal keys (`a.b` inside and outside of `a`) the last counts.
    Raises ValueError where a limit above is passed or a key is not Unicode.
    """
    flat: dict[str, Value] = {}
    stack = [iter([("", value)])]
    paths = [""]
    visits = 0
    while stack:
        for part, item in stack[-1]:
            visits += 1
            path = f"{paths[-1]}.{part}" if paths[-1] else part
            if (
                visits > _MAX_VISITS
                or len(path) > MAX_KEY_CHARACTERS
                or len(stack) > MAX_LEVELS + 1
            ):
                raise ValueError("too many, too long or too deep keys")
            if isinstance(item, (Mapping, list, tuple)):
                stack.append(_parts(item))
                paths.append(path)
                break
            flat[_unicode(path) or "value"] = _scalar(item)
            if len(flat) > MAX_KEYS:
                raise ValueError(f"more than {MAX_KEYS:,} keys")
        else:
            stack.pop()
            paths.pop()
    return flat


def _parts(container: Mapping[object, object] | Sequence[object]) -> Iterator[tuple[str, object]]:
    pairs = container.items() if isinstance(container, Mapping) else enumerate(container)
    for key, item in pairs:
        text = str(key)
        if len(text) > MAX_KEY_CHARACTERS:
            raise ValueError("too long keys")
        yield text, item


def _unicode(key: str) -> str:
    """The key itself; JSON can spell lone surrogates, which no version can carry."""
    key.encode("utf-8")
    return key


def _scalar(value: object) -> Value:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    text = value.isoformat() if isinstance(value, (date, time)) else str(value)
    data = text.encode("utf-8", "replace")
    if len(text) <= MAX_TEXT_CHARACTERS:
        return data.decode()
    kept = text[:MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode()
    return f"{kept}… ({len(text):,} characters, CRC-32 {zlib.crc32(data):08x})"


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
        if found is not None and not isinstance(found, (dict, list)):
            return Parsed(problem="neither a table nor a list")
        return Parsed(flatten({} if found is None else found))
    except (ValueError, RecursionError, csv.Error) as error:
        return Parsed(problem=str(error) or type(error).__name__)


def _json(text: str) -> object:
    if sum(map(text.count, ",[{")) > _MAX_SEPARATORS:
        raise ValueError("too many values")
    return json.loads(text)


def _json_lines(text: str) -> object:
    for line in text.rstrip().split("\n")[: -_LAST_LINES - 1 : -1]:
        try:
            found = _json(line)
        except ValueError:
            continue  # blank, or a last line cut short by a writer that was killed
        if isinstance(found, dict):
            return found
    raise ValueError("no line is a JSON object")


def _toml(text: str) -> object:
    if len(text) > _MAX_TOML_BYTES:
        raise ValueError(f"TOML of more than {_MAX_TOML_BYTES >> 10} KiB")
    if _LONG_TOML_KEY.search(text):
        raise ValueError("a key of more than 64 parts")
    return tomllib.loads(text)


def _table(delimiter: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = next(rows, [])
        if len(header) > MAX_KEYS:
            raise ValueError(f"more than {MAX_KEYS:,} columns")
        last = [""] * len(header)
        complete = 0
        for row in rows:
            if row and len(row) == len(header):  # a writer may have been killed within the last row
                complete += 1
                last = [cell or above for cell, above in zip(row, last, strict=True)]
        if not complete:
            raise ValueError("no row under a header")
        names = [name.strip() or str(column) for column, name in enumerate(header)]
        return {name: _cell(cell.strip()) for name, cell in zip(names, last, strict=True)}

    return read


_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
_WORDS: Mapping[str, Value] = {"": None, "true": True, "false": False}


def _cell(text: str) -> Value:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _WORDS.get(text.lower(), text)


_SETTINGS: Mapping[str, Callable[[str], object]] = {
    "yaml": yaml12.load, "yml": yaml12.load, "json": _json, "toml": _toml,
}  # fmt: skip
_METRICS: Mapping[str, Callable[[str], object]] = {
    "yaml": yaml12.load, "yml": yaml12.load, "json": _json, "jsonl": _json_lines,
    "csv": _table(","), "tsv": _table("\t"),
}  # fmt: skip
