"""The reader of a version's bytes in Python: what `_version` in C is held against.

How a field is written is in https://protobuf.dev/programming-guides/encoding. In canonical form tags ascend,
numbers are as short as they can be, and a number that is 0 or a text that is empty is not written.
"""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

_NUMBER, _EIGHT_BYTES, _BYTES = 0, 1, 2
"""How a value is written: the lowest three bits of a tag. The others are the field's number."""

_PARENT, _GENERATION = 1 << 3 | _BYTES, 2 << 3
_COMPONENTS = tuple(number << 3 | _BYTES for number in range(3, 8))
_AUTHOR, _TIME, _OFFSET, _MESSAGE = 8 << 3 | _BYTES, 9 << 3, 10 << 3, 11 << 3 | _BYTES
_TRIGGER, _SETTING, _METRIC = 12 << 3, 13 << 3 | _BYTES, 14 << 3 | _BYTES
_PROVENANCE, _TRACKED = 15 << 3 | _BYTES, 16 << 3 | _BYTES
_REPEATED = (_PARENT, _SETTING, _METRIC, _TRACKED)
_OF_VERSION = frozenset(
    (
        *_REPEATED,
        _GENERATION,
        *_COMPONENTS,
        _AUTHOR,
        _TIME,
        _OFFSET,
        _MESSAGE,
        _TRIGGER,
        _PROVENANCE,
    )
)
_ROOT, _FILES, _SIZE = 1 << 3 | _BYTES, 2 << 3, 3 << 3
_OF_COMPONENT = frozenset((_ROOT, _FILES, _SIZE))
_COMMIT, _DIRTY, _COMMAND = 1 << 3 | _BYTES, 2 << 3, 3 << 3 | _BYTES
_HOST, _PYTHON, _PACKAGES = 4 << 3 | _BYTES, 5 << 3 | _BYTES, 6 << 3 | _BYTES
_OF_PROVENANCE = frozenset((_COMMIT, _DIRTY, _COMMAND, _HOST, _PYTHON, _PACKAGES))
_KEY, _TEXT, _FLOAT, _INTEGER, _FLAG = (
    1 << 3 | _BYTES,
    2 << 3 | _BYTES,
    3 << 3 | _EIGHT_BYTES,
    4 << 3,
    5 << 3,
)

_NAN = struct.pack("<d", math.nan)
Scalar = str | float | int | bool | None


class PlainProvenance(NamedTuple):
    git_commit: str
    git_dirty: bool
    command: tuple[str, ...]
    host: str
    python: str
    packages_digest: str


class PlainRecord(NamedTuple):
    """What a record says. `components` are root, files and size of each, None of one that has no files."""

    parents: list[bytes]
    generation: int
    components: list[tuple[bytes, int, int] | None]
    author: str
    time_us: int
    utc_offset_minutes: int
    message: str
    trigger: int
    hyperparameters: dict[str, Scalar]
    metrics: dict[str, Scalar]
    provenance: PlainProvenance | None
    tracked: tuple[str, ...]


class _OtherForm(Exception):
    """The bytes are not in canonical form, or not for certain."""


def read(data: bytes) -> PlainRecord | None:
    """Reads a record; None if protobuf has to say what it is."""
    try:
        found, rows = _fields(data, _OF_VERSION, _REPEATED)
        provenance = found.get(_PROVENANCE)
        return PlainRecord(
            parents=rows[_PARENT],
            generation=found.get(_GENERATION, 0),
            components=[_component(found.get(tag)) for tag in _COMPONENTS],
            author=found.get(_AUTHOR, b"").decode(),
            time_us=_signed(found.get(_TIME, 0), 64),
            utc_offset_minutes=_signed(found.get(_OFFSET, 0), 32),
            message=found.get(_MESSAGE, b"").decode(),
            trigger=found.get(_TRIGGER, 0),
            hyperparameters=_values(rows[_SETTING]),
            metrics=_values(rows[_METRIC]),
            provenance=None if provenance is None else _provenance(provenance),
            tracked=tuple([path.decode() for path in rows[_TRACKED]]),
        )
    except (_OtherForm, IndexError, UnicodeDecodeError, struct.error):
        return None


def _fields(
    data: bytes, known: frozenset[int], repeated: tuple[int, ...]
) -> tuple[dict[int, Any], dict[int, list[bytes]]]:
    """The values of a message by their tags, and those that there may be any number of."""
    found: dict[int, Any] = {}
    rows: dict[int, list[bytes]] = {tag: [] for tag in repeated}
    at, end, last = 0, len(data), 0
    while at < end:
        tag, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        if tag not in known or tag < last or tag in found:
            raise _OtherForm
        last = tag
        value, at = _value(data, at, tag)
        if tag in rows:
            rows[tag].append(value)
        elif value:
            found[tag] = value
        else:
            raise _OtherForm
    return found, rows


def _value(data: bytes, at: int, tag: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends."""
    number, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
    if tag & 7 == _NUMBER:
        return number, at
    if at + number > len(data):
        raise _OtherForm
    return data[at : at + number], at + number


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if (byte == 0 and shift) or value >> 64:
        raise _OtherForm
    return value, at


def _signed(number: int, bits: int) -> int:
    """What is written as 2n for n, and as 2n - 1 for -n."""
    if number >> bits:
        raise _OtherForm
    return (number >> 1) ^ -(number & 1)


def _component(data: bytes | None) -> tuple[bytes, int, int] | None:
    if data is None:
        return None
    found, _ = _fields(data, _OF_COMPONENT, ())
    return found.get(_ROOT, b""), found.get(_FILES, 0), found.get(_SIZE, 0)


def _provenance(data: bytes) -> PlainProvenance:
    found, rows = _fields(data, _OF_PROVENANCE, (_COMMAND,))
    dirty = found.get(_DIRTY, 0)
    if dirty > 1:
        raise _OtherForm
    command = tuple([word.decode() for word in rows[_COMMAND]])
    host, python = found.get(_HOST, b"").decode(), found.get(_PYTHON, b"").decode()
    packages = found.get(_PACKAGES, b"").decode()
    return PlainProvenance(
        found.get(_COMMIT, b"").decode(), bool(dirty), command, host, python, packages
    )


def _values(messages: list[bytes]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    last = None
    for message in messages:
        key, value = _key_value(message)
        if last is not None and key <= last:
            raise _OtherForm
        values[key] = value
        last = key
    return values


def _key_value(data: bytes) -> tuple[str, Scalar]:
    """A key and a value; unlike other fields, a value that is 0 or empty is written too."""
    key, at, end = "", 0, len(data)
    if data[:1] == b"\x0a":
        written, at = _value(data, 1, _KEY)
        key = written.decode()
        if not key:
            raise _OtherForm
    if at == end:
        return key, None
    tag, at = data[at], at + 1
    value: Scalar
    if tag == _FLOAT:
        value, packed, at = math.nan, data[at : at + 8], at + 8
        if packed != _NAN and math.isnan(value := struct.unpack("<d", packed)[0]):
            raise _OtherForm
    else:
        held, at = _value(data, at, tag)
        if tag == _TEXT:
            value = held.decode()
        elif tag == _INTEGER:
            value = _signed(held, 64)
        elif tag == _FLAG and held <= 1:
            value = bool(held)
        else:
            raise _OtherForm
    if at != end:
        raise _OtherForm
    return key, value
