"""The reader of records without protobuf says what protobuf says, or nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import NodeId, VersionId
from mvcd.objects import _version, messages
from mvcd.objects.canonical import decode
from mvcd.objects.glance import Glance
from mvcd.objects.manifest import ComponentRoot
from mvcd.objects.version import (
    Component,
    Provenance,
    Trigger,
    Version,
    _of_record,
    _read_version,
)
from tests.objects import plainrecord

ROOTS = {c: ComponentRoot(NodeId.of(c.encode()), 3, 1 << 40) for c in Component}
RICH = Version(
    parents=(VersionId.of(b"a"), VersionId.of(b"b")), generation=300, components=ROOTS,
    author="Ada <ada@example.org>", time_us=1_764_434_000_000_000, utc_offset_minutes=-90,
    message="größer\n", trigger=Trigger.MERGE,
    hyperparameters={"": "", "f": False, "lr": 0.0, "n": -1, "none": None, "opt": "adam", "t": True},
    metrics={"big": (1 << 63) - 1, "loss": math.inf, "small": -(1 << 63), "z": 0},
    provenance=Provenance("c" * 40, True, ("mvc", "", "commit"), "host", "3.11.7", "d" * 64),
    tracked=("a", "b/c"),
)  # fmt: skip


def by_protobuf(data: bytes) -> Version | None:
    try:
        version = _read_version(decode(messages.Version, data))
        version._check()
    except (CorruptObject, ValueError):
        return None
    return version


def test_a_record_is_read_whole() -> None:
    assert _of_record(RICH.encode()) == RICH
    nan = Version(generation=1, metrics={"loss": math.nan})
    read = _of_record(nan.encode())
    assert read is not None and math.isnan(read.metrics["loss"])  # type: ignore[arg-type]


def changed(data: bytes, values: range) -> Iterator[bytes]:
    """The record with each byte changed, taken out and doubled, and cut there."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
        yield from (data[:at] + bytes([value]) + data[at + 1 :] for value in values)


@pytest.mark.parametrize("data", [RICH.encode(), Version(generation=1, tracked=(".",)).encode()])
def test_what_is_read_of_a_changed_record_is_what_protobuf_reads(data: bytes) -> None:
    start = random.Random(7).randrange(11)
    for each in changed(data, range(start, 256, 11)):
        found = _of_record(each)
        if found is not None:
            assert repr(found) == repr(by_protobuf(each))


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    found = _of_record(data)
    assert found is None or repr(found) == repr(by_protobuf(data))
    assert repr(_version.read(data)) == in_python(data)


def in_python(data: bytes) -> str:
    found = plainrecord.read(data)
    return repr(None if found is None else tuple(map(plain, found)))


def plain(value: object) -> object:
    """A row as the tuple that it is."""
    return tuple(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("data", [RICH.encode(), Version(generation=1, tracked=(".",)).encode()])
def test_the_kernel_reads_what_the_reader_in_python_reads(data: bytes) -> None:
    start = random.Random(8).randrange(7)
    read = 0
    for each in (data, *changed(data, range(start, 256, 7))):
        found = _version.read(each)
        read += found is not None
        assert repr(found) == in_python(each)
        front = _version.read_front(each)
        assert found is None or front == (found[0], found[1], found[4]) or not found[1]
    assert read > len(data), "some changes leave a record that can be read"


def test_the_kernel_takes_bytes_alone() -> None:
    for read in (_version.read, _version.read_front):
        with pytest.raises(TypeError):
            read("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x00",  # a generation of 0 is not written
        b"\x10\x81\x00",  # 1 in two bytes
        b"\x10\x01\x10\x01",  # twice
        b"\x42\x01a\x10\x01",  # not in the order of fields
        b"\x10\x01\x8a\x01\x00",  # field 17
        b"\x10\x01\x42\x01\xff",  # no UTF-8
        b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",  # 65 bits
        b"\x10\x01\x50\x80\x80\x80\x80\x10",  # an offset of 33 bits
        b"\x10\x01\x72\x06\x0a\x01a\x12\x01",  # text that ends behind its value
        b"\x10\x01\x72\x05\x0a\x01a\x28\x02",  # neither true nor false
    ],
)
def test_other_forms_are_left_to_protobuf(data: bytes) -> None:
    assert _version.read(data) is None
    assert by_protobuf(data) is None


def test_the_front_is_what_a_glance_takes() -> None:
    data = RICH.encode()
    front = _version.read_front(data)
    glance = Glance(RICH.id, data)
    assert front is not None
    parents, generation, time_us = front
    assert (tuple(parents), generation, time_us) == (RICH.parents, 300, RICH.time_us)
    assert (glance.parents, glance.generation, glance.time_us) == (RICH.parents, 300, RICH.time_us)
    assert glance.whole() == RICH
    assert _version.read_front(b"garbage") is None
