"""TensorBoard's event files: against what its own writer wrote, and against damage."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.tfevents import MAX_RECORD_BYTES, masked_crc, read

DATA = Path(__file__).parent / "data" / "recorded"
SCALARS = (DATA / "events.out.tfevents.0").read_bytes()


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    crcs = [struct.pack("<I", masked_crc(part)) for part in (length, data)]
    return length + crcs[0] + data + crcs[1]


def field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def event(step: int, *values: tuple[str, float]) -> bytes:
    summary = b"".join(
        field(1, field(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
        for tag, value in values
    )
    return record(b"\x09" + struct.pack("<d", 1.0) + bytes([0x10, step]) + field(5, summary))


def test_the_checksum_is_that_of_rfc_3720() -> None:
    """Appendix B.4: 32 bytes of zeros give 8a9136aa; masked as TFRecord has it."""
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_scalars_as_the_library_wrote_them() -> None:
    found = read(io.BytesIO(SCALARS), wanted="train/loss")
    assert found.problem is None
    assert found.scalars.values == {"train/loss": 0.2, "val/acc": 0.9, "step": 40}
    assert found.scalars.points == [(0, 1), (10, 0.5), (20, 0.33333334), (30, 0.25), (40, 0.2)]


def test_hyperparameters_as_the_library_wrote_them() -> None:
    found = read(io.BytesIO((DATA / "events.out.tfevents.1").read_bytes()))
    assert found.settings == {"lr": 0.1, "bs": 32, "opt": "adam", "amp": True}
    assert found.scalars.values == {"hparam/acc": 0.9, "step": 0}


@given(st.floats(width=32))
def test_numbers_are_those_that_were_written_in_few_digits(value: float) -> None:
    got = read(io.BytesIO(event(1, ("a", value)))).scalars.values["a"]
    assert isinstance(got, float)
    assert math.isnan(got) or struct.pack("<f", got) == struct.pack("<f", value)
    assert math.isnan(got) or float(f"{got:.9g}") == got


def test_a_count_of_eight_digits_is_whole() -> None:
    assert read(io.BytesIO(event(1, ("tokens", 12345678)))).scalars.values["tokens"] == 12345678


def test_several_values_in_one_record_and_a_large_one_between() -> None:
    data = event(1, ("a", 1), ("b", 2)) + record(bytes(MAX_RECORD_BYTES + 1)) + event(3, ("a", 0.5))
    assert read(io.BytesIO(data)).scalars.values == {"a": 0.5, "b": 2, "step": 3}


def test_a_file_that_is_still_written_gives_what_is_whole() -> None:
    for size in range(len(SCALARS)):
        found = read(io.BytesIO(SCALARS[:size]))
        assert found.problem is None
    assert read(io.BytesIO(SCALARS[:-1])).scalars.values


def test_damage_is_told_and_damaged_values_are_not() -> None:
    data = bytearray(event(1, ("a", 1)) + event(2, ("b", 2)) + event(3, ("c", 3)))
    first = len(event(1, ("a", 1)))
    data[first + 12 + 20] ^= 1  # within the second record's data
    found = read(io.BytesIO(bytes(data)))
    assert found.problem and "b" not in found.scalars.values
    assert (found.scalars.values["a"], found.scalars.values["c"]) == (1, 3)
    data[first] ^= 1  # its length
    found = read(io.BytesIO(bytes(data)))
    assert found.problem and found.scalars.values == {"a": 1, "step": 1}
    assert read(io.BytesIO(b"no events at all, but text")).problem == "no event file"


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(SCALARS) - 1), st.integers(1, 255), st.binary(max_size=8))
def test_no_damage_gives_a_value_that_was_not_written(at: int, turn: int, more: bytes) -> None:
    data = bytearray(SCALARS)
    data[at] ^= turn
    found = read(io.BytesIO(bytes(data) + more))
    whole = {"train/loss": {1, 0.5, 0.33333334, 0.25, 0.2}, "val/acc": {0.5, 0.7, 0.9}}
    for tag, values in whole.items():
        assert found.scalars.values.get(tag, 0.5) in values


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_record_gives_values_or_a_reason(records: list[bytes]) -> None:
    read(io.BytesIO(b"".join(map(record, records))))
