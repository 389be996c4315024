"""TensorBoard event files: the last value of each scalar, and hyperparameters of the HParams plugin.

A file is a sequence of TFRecords (tensorflow/core/lib/io/record_writer.h): length, its masked CRC-32C, data,
their masked CRC-32C, all little-endian. Each holds an Event (tensorflow/core/util/event.proto), of which a few
fields are read. The checksum of every length is verified, and that of the data of every record that gives a
value: images and graphs are passed over. Reading ends where a record is cut short (the writer may still be at
work) or damaged.

Memory is bounded by MAX_METRICS records of at most MAX_RECORD_BYTES bytes that are small as scalars are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from mvcd.inspect.crc32c import crc32c
from mvcd.inspect.flatten import MAX_KEY_CHARACTERS, scalar
from mvcd.inspect.lastrows import LastValues
from mvcd.objects.version import Value

MAX_RECORD_BYTES = 64 << 10
"""Bytes of a record that is looked into; a scalar has about 60, hyperparameters some hundred."""

MAX_METRICS = 10_000
_BLOCK_BYTES = 1 << 20
_HEADER = struct.Struct("<QI")
_HPARAMS = b"hparams"
_Field = tuple[int, int | bytes]


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecord writes it: turned by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@dataclass(slots=True)
class EventFile:
    """What a file tells. `settings` come from HParams; `problem` says why reading ended early, if it did."""

    scalars: LastValues
    settings: dict[str, Value] = field(default_factory=dict)
    problem: str | None = None


def read(file: BinaryIO, wanted: str | None = None) -> EventFile:
    """`wanted` is a tag whose values are kept over all steps. OSError passes through."""
    found = EventFile(LastValues(wanted))
    last: dict[bytes, bytes] = {}
    wanted_tag = None if wanted is None else wanted.encode("utf-8", "replace")
    try:
        for record in _records(file):
            tag = _only_tag(record)
            if tag is None or tag == wanted_tag:
                _take(record, found)
            elif len(last) < MAX_METRICS or tag in last:
                last[tag] = record
            else:
                found.problem = f"more than {MAX_METRICS:,} tags"
        for record in last.values():
            _take(record, found)
    except (ValueError, IndexError, struct.error) as error:
        for record in last.values():
            _take_if_whole(record, found)
        found.problem = str(error) or "damaged"
    return found


def _take_if_whole(record: bytes, found: EventFile) -> None:
    try:
        _take(record, found)
    except (ValueError, IndexError, struct.error):
        return


# ---------------------------------------------------------------- records


def _records(file: BinaryIO) -> Iterator[bytes]:
    """Data and checksum of each record that may give a value. Raises ValueError."""
    count = 0
    while len(header := _read(file, _HEADER.size)) == _HEADER.size:
        length, crc = _HEADER.unpack(header)
        if masked_crc(header[:8]) != crc:
            raise ValueError(f"damaged after {count:,} records" if count else "no event file")
        count += 1
        if length > MAX_RECORD_BYTES:
            if not _skip(file, length + 4):
                return
            continue
        record = _read(file, length + 4)
        if len(record) < length + 4:
            return
        yield record


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _skip(file: BinaryIO, size: int) -> bool:
    while size:
        block = file.read(min(size, _BLOCK_BYTES))
        if not block:
            return False
        size -= len(block)
    return True


# ---------------------------------------------------------------- messages


def _fields(data: bytes) -> Iterator[_Field]:
    """Number and value of each field: an int for a varint, else bytes. Raises ValueError and IndexError."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("no event")
        if size > end - at:
            raise ValueError("no event")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("no event")


def _only_tag(record: bytes) -> bytes | None:
    """The tag of a record with one value, found without taking it apart; None for any other record.

    Every writer puts wall time, step and summary in this order, and a value's tag first.
    """
    try:
        at = 9 if record[0] == 0x09 else 0
        if record[at] == 0x10:
            _, at = _varint(record, at + 1)
        if record[at] != 0x2A:
            return None
        size, at = _varint(record, at + 1)
        if at + size != len(record) - 4 or record[at] != 0x0A:
            return None
        inner, at = _varint(record, at + 1)
        if at + inner != len(record) - 4 or record[at] != 0x0A:
            return None
        length, at = _varint(record, at + 1)
        return record[at : at + length]
    except (IndexError, ValueError):
        return None


def _take(record: bytes, found: EventFile) -> None:
    data = record[:-4]
    if masked_crc(data) != int.from_bytes(record[-4:], "little"):
        raise ValueError("a record is damaged")
    row: dict[str, Value] = {}
    step = 0
    for number, value in _fields(data):
        if number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5 and isinstance(value, bytes):
            for inner, one in _fields(value):
                if inner == 1 and isinstance(one, bytes):
                    _value(one, row, found.settings)
    if row:
        known = found.scalars.values.get("step")
        found.scalars.add({**row, "step": step})
        if isinstance(
            known, int
        ):  # records come in the order of their tags here, not of their steps
            found.scalars.values["step"] = max(step, known)


def _value(data: bytes, row: dict[str, Value], settings: dict[str, Value]) -> None:
    """Summary.Value: tag 1, simple_value 2, tensor 8, metadata 9."""
    tag, number, plugin, content = "", None, b"", b""
    for field_, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if field_ == 1:
            tag = value.decode("utf-8", "replace")
        elif field_ == 2 and len(value) == 4:
            number = float32_of(value)
        elif field_ == 8:
            number = _tensor(value)
        elif field_ == 9:
            plugin, content = _plugin(value)
    if plugin == _HPARAMS:
        settings |= _hparams(content)
    elif (
        number is not None
        and tag
        and len(tag) <= MAX_KEY_CHARACTERS
        and plugin in (b"", b"scalars")
    ):
        row[tag] = number


def float32_of(data: bytes) -> float:
    """Reads a float32, little-endian, in the fewest digits that give the same: 0.1, not 0.10000000149011612."""
    exact = float(struct.unpack("<f", data)[0])
    for digits in (7, 8, 9):
        short = float(f"{exact:.{digits}g}")
        if math.isfinite(short) and struct.pack("<f", short) == data:
            return short
    return exact


def _tensor(data: bytes) -> float | None:
    """The only element of a TensorProto: dtype 1, tensor_content 4, float_val 5, double_val 6."""
    dtype, content = 0, b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number in (4, 5, 6) and isinstance(value, bytes):
            content = value
    if dtype == 1 and len(content) == 4:
        return float32_of(content)
    return float(struct.unpack("<d", content)[0]) if dtype == 2 and len(content) == 8 else None


def _plugin(data: bytes) -> tuple[bytes, bytes]:
    """SummaryMetadata: plugin_data 1, of plugin_name 1 and content 2."""
    name = content = b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            for inner, one in _fields(value):
                if isinstance(one, bytes):
                    name, content = (one, content) if inner == 1 else (name, one)
    return name, content


def _hparams(data: bytes) -> dict[str, Value]:
    """HParamsPluginData (tensorboard/plugins/hparams/plugin_data.proto): session_start_info 3, whose hparams 1
    map names to google.protobuf.Value: number 2, string 3, bool 4."""
    found: dict[str, Value] = {}
    for number, value in _fields(data):
        if number != 3 or not isinstance(value, bytes):
            continue
        for inner, entry in _fields(value):
            if inner != 1 or not isinstance(entry, bytes):
                continue
            parts = dict(_fields(entry))
            name, held = parts.get(1), parts.get(2)
            if (
                isinstance(name, bytes)
                and isinstance(held, bytes)
                and len(name) <= MAX_KEY_CHARACTERS
            ):
                found[name.decode("utf-8", "replace")] = _struct_value(held)
    return found


def _struct_value(data: bytes) -> Value:
    for number, value in _fields(data):
        if number == 2 and isinstance(value, bytes):
            double = float(struct.unpack("<d", value)[0])
            return int(double) if double.is_integer() and abs(double) < 1 << 53 else double
        if number == 3 and isinstance(value, bytes):
            return scalar(value.decode("utf-8", "replace"))
        if number == 4 and isinstance(value, int):
            return bool(value)
    return None
