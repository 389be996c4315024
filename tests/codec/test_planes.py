"""The C functions against their definition in planes.py, bit for bit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mvcd.codec import _planes, planes
from tests.codec.samples import bf16, f32, noise, table, weights

WIDTHS = (1, 2, 4, 8)
widths = st.sampled_from(WIDTHS)
contents = st.binary(max_size=300) | st.builds(
    lambda unit, times: unit * times, st.binary(min_size=1, max_size=9), st.integers(0, 600)
)
# around the block sizes of the loops: 512 elements in split, 4096 in join
LONG = (511 * 2, 512 * 8 + 5, 4096 * 2 + 1, 4097 * 4 + 3, 70_001)


def split_both(data: bytes, width: int, floats: bool, base: bytes | None) -> tuple[bytes, bytes]:
    fast, plain = bytearray(len(data)), bytearray(len(data))
    _planes.split(fast, data, width, floats, base)
    planes.split(plain, data, width, floats, base)
    return bytes(fast), bytes(plain)


def planes_of(split: bytes, width: int) -> tuple[tuple[bytes, ...], bytes]:
    n = len(split) // width
    return tuple(split[k * n : (k + 1) * n] for k in range(width)), split[n * width :]


def check(data: bytes, width: int, floats: bool, base: bytes | None) -> None:
    fast, plain = split_both(data, width, floats, base)
    assert fast == plain
    parts, tail = planes_of(fast, width)
    for join in (_planes.join, planes.join):
        assert join(len(data), parts, tail, floats, base, None) == data
        out = bytearray(len(data))
        assert join(len(data), parts, tail, floats, base, out) is None
        assert out == data


@given(contents, widths, st.booleans(), st.none() | st.randoms(use_true_random=False))
def test_split_and_join_are_inverse_and_equal_the_reference(data, width, floats, rng):
    base = None if rng is None else rng.randbytes(len(data))
    check(data, width, floats, base)


@pytest.mark.parametrize("size", LONG)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize("with_base", [False, True])
def test_long_input(size, width, floats, with_base):
    check(noise(size), width, floats, noise(size, seed=2) if with_base else None)


def test_all_pairs_of_awkward_floats():
    bits = [0, 1, 0x7F7F, 0x7F80, 0x7FC0, 0x7FFF, 0x8000, 0x8001, 0xBF80, 0xFF80, 0xFFFF]
    data = b"".join(struct.pack("<H", x) * len(bits) for x in bits)
    base = b"".join(struct.pack("<H", x) for x in bits) * len(bits)
    check(data, 2, True, base)


@pytest.mark.parametrize(("width", "write"), [(2, bf16), (4, f32)])
def test_the_top_plane_of_floats_is_the_exponent(width, write):
    data = write([1.0, -1.0, 1.5, -1.99])
    split, _ = split_both(data, width, True, None)
    assert planes_of(split, width)[0][-1] == bytes([127]) * 4


def test_neighbouring_floats_differ_by_little():
    """Also across zero and across a power of two, where an XOR would have many bits set."""
    base = struct.pack("<4H", 0x0000, 0x8000, 0x3F80, 0xBF80)  # +0, -0, 1, -1
    data = struct.pack("<4H", 0x8000, 0x0000, 0x3F7F, 0xBF7F)  # -0, +0, just below, just above
    split, _ = split_both(data, 2, True, base)
    (low, high), _ = planes_of(split, 2)
    assert high == bytes(4)
    assert low == bytes([1, 2, 1, 2])


@given(st.integers(0, 2000), widths, st.booleans(), st.data())
def test_a_plane_of_one_byte_is_filled(n, width, floats, draw):
    values = draw.draw(st.lists(st.integers(0, 255), min_size=width, max_size=width))
    filled = draw.draw(st.lists(st.booleans(), min_size=width, max_size=width))
    whole = tuple(bytes([v]) * n for v in values)
    short = tuple(p[:1] if f and n else p for p, f in zip(whole, filled, strict=True))
    size = n * width
    expected = planes.join(size, whole, b"", floats, None, None)
    assert _planes.join(size, short, b"", floats, None, None) == expected
    assert planes.join(size, short, b"", floats, None, None) == expected


def test_a_filled_plane_beside_a_long_one():
    n = 10_000
    parts = (noise(n), b"\x07")
    assert _planes.join(2 * n, parts, b"", True, None, None) == planes.join(
        2 * n, parts, b"", True, None, None
    )


@given(contents)
@example(b"")
@example(b"aab" * 3)
@example(bytes(9))
@example(bytes(8) + b"\1" + bytes(15))
@example(b"\1" + bytes(7) + b"x" + b"\1" + bytes(16))
def test_statistics_equal_the_reference(data):
    assert _planes.period(data) == planes.period(data)
    assert _planes.probe(data) == planes.probe(data)
    assert _planes.lanes(data) == planes.lanes(data)


@pytest.mark.parametrize(
    "data",
    [
        noise(5000),
        noise(16 * 1024 + 7),
        noise(100_003),
        bf16(weights(40_000)),
        table(3000),
        bytes(9999),
    ],
    ids=["noise 5k", "noise 16k", "noise 100k", "bf16", "table", "zeros"],
)
def test_statistics_of_long_input(data):
    assert _planes.probe(data) == planes.probe(data)
    assert _planes.lanes(data) == planes.lanes(data)


def test_statistics_tell_kinds_apart():
    bits, repeats = _planes.probe(noise(65536))
    assert bits > 7950
    assert repeats == 0
    bits, repeats = _planes.probe(table(4000))
    assert bits < 5000
    assert repeats > 100
    one, two, four, eight = _planes.lanes(f32(weights(20_000)))
    assert four < two < one
    assert abs(four - eight) < 50


def test_every_width_of_period():
    for width in (1, 2, 4, 8):
        unit = bytes(range(width))
        assert _planes.period(unit * 5) == width
        assert _planes.period(unit * 5 + unit[:1]) == width
        assert _planes.period(unit) == 0
    assert _planes.period(b"abc" * 50) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: _planes.split(bytearray(4), b"abcd", 3, False, None),
        lambda: _planes.split(bytearray(4), b"abcd", 0, False, None),
        lambda: _planes.split(bytearray(3), b"abcd", 2, False, None),
        lambda: _planes.split(bytearray(4), b"abcd", 2, False, b"abc"),
        lambda: _planes.join(4, (b"ab",), b"", False, None, None),
        lambda: _planes.join(4, (b"ab", b"abc"), b"", False, None, None),
        lambda: _planes.join(5, (b"ab", b"ab"), b"", False, None, None),
        lambda: _planes.join(-2, (b"ab", b"ab"), b"", False, None, None),
        lambda: _planes.join(4, (b"ab", b"ab"), b"", False, b"x", None),
        lambda: _planes.join(4, (b"ab", b"ab"), b"", False, None, bytearray(5)),
        lambda: _planes.join(4, (), b"", False, None, None),
        lambda: _planes.join(9, (b"a",) * 9, b"", False, None, None),
    ],
)
def test_sizes_that_do_not_agree_are_refused(call):
    with pytest.raises(ValueError):
        call()


def test_wrong_types_are_refused():
    for call in (
        lambda: _planes.split(b"read-only", b"abcd", 2, False, None),
        lambda: _planes.join(4, (b"ab", None), b"", False, None, None),
        lambda: _planes.join(4, [b"ab", b"ab"], b"", False, None, None),
        lambda: _planes.join(4, (b"ab", b"ab"), b"", False, None, b"abcd"),
        lambda: _planes.period("text"),
    ):
        with pytest.raises((TypeError, BufferError)):
            call()
