"""Classes by rANS in C, with every set of instructions this processor has, against rans.py, bit for bit."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mvcd.codec import _rans, rans
from mvcd.codec.decode import decode, decode_into
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject
from tests.codec.samples import BASE_ID, PACK, bf16, f32, noise, weights

LEVELS = (0, 1, 2)
WIDTHS = (1, 2, 4, 8)
SHIFT = {1: 0, 2: 7, 4: 23, 8: 52}
KINDS = [(width, floats) for width in WIDTHS for floats in (False, True) if width > 1 or not floats]
kinds = st.sampled_from(KINDS)


@pytest.fixture(autouse=True, scope="module")
def best_again() -> Iterator[None]:
    yield
    _rans.select(2)


def encode(data: bytes, base: bytes, width: int, floats: bool) -> bytes:
    scratch = bytearray(_rans.scratch(len(data), width))
    return _rans.encode(data, base, width, floats, SHIFT[width], scratch)


def check(data: bytes, base: bytes, width: int, floats: bool) -> bytes:
    body = encode(data, base, width, floats)
    assert body == rans.encode(data, base, width, floats, SHIFT[width])
    assert rans.decode(body, len(data), base, width) == data
    assert _rans.decode(body, len(data), base, width, None) == data
    out = bytearray(len(data))
    assert _rans.decode(body, len(data), base, width, out) is None
    assert out == data
    return body


def moved(base: bytes, width: int, steps: list[int]) -> bytes:
    """The base's elements, each changed by one of `steps` units in turn."""
    whole = len(base) // width * width
    elements = (int.from_bytes(base[at : at + width], "little") for at in range(0, whole, width))
    found = [
        (x + steps[i % len(steps)] % (1 << 8 * width)) % (1 << 8 * width)
        for i, x in enumerate(elements)
    ]
    return b"".join(x.to_bytes(width, "little") for x in found) + base[whole:]


sizes = st.integers(0, 600) | st.sampled_from([31 * 2, 32 * 4, 33 * 8, 64 * 4, 1024 * 2 + 1])
changes = st.lists(st.integers(-3, 3) | st.integers(-(1 << 63), 1 << 63), min_size=1, max_size=40)


@pytest.mark.parametrize("level", LEVELS)
@given(kind=kinds, size=sizes, seed=st.integers(0, 9), steps=changes)
@example(kind=(4, True), size=0, seed=0, steps=[0])
@example(kind=(2, True), size=2048, seed=0, steps=[0])
@example(kind=(8, True), size=4096, seed=0, steps=[1 << 62, 5])
def test_c_is_the_reference(
    level: int, kind: tuple[int, bool], size: int, seed: int, steps: list[int]
) -> None:
    _rans.select(level)
    base = noise(size, seed=seed)
    check(moved(base, kind[0], steps), base, *kind)


@given(kind=kinds, parts=st.lists(st.tuples(sizes, st.integers(0, 9), changes), max_size=5))
def test_many_in_one_call(kind: tuple[int, bool], parts: list[tuple[int, int, list[int]]]) -> None:
    width, floats = kind
    bases = [noise(size, seed=seed) for size, seed, _ in parts]
    data = [moved(base, width, steps) for base, (_, _, steps) in zip(bases, parts, strict=True)]
    scratch = bytearray(_rans.scratch(max(map(len, data), default=0), width))
    shift = 7 if floats else 0
    bodies = _rans.encode_each(data, bases, width, floats, shift, scratch)
    pairs = zip(data, bases, strict=True)
    assert bodies == [_rans.encode(x, y, width, floats, shift, scratch) for x, y in pairs]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("width", "floats"), KINDS)
def test_long_input(level: int, width: int, floats: bool) -> None:
    """Noise against noise, a little change everywhere, rows of change between rows without."""
    _rans.select(level)
    base = noise(12_000 * width + 5 * width + width - 1)
    check(noise(len(base), seed=2), base, width, floats)
    check(moved(base, width, [0, 1, 0, 0, -1, 0, 0, 0, 2]), base, width, floats)
    check(moved(base, width, [0] * 900 + [3, -5, 7] * 100), base, width, floats)


AWKWARD = [0, 1, 2, 0x7F, 0x80, 0x3F7F, 0x3F80, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("width", [2, 4, 8])
def test_all_pairs_of_awkward_floats(level: int, width: int) -> None:
    """Zeros of both signs, denormals, infinities, NaN with payloads."""
    _rans.select(level)
    high = [x | sign for x in AWKWARD for sign in (0, 0x8000)]
    one = [struct.pack("<H", x).rjust(width, b"\x01") for x in high]
    check(b"".join(x for x in one for _ in one), b"".join(one) * len(one), width, True)


@pytest.mark.parametrize("level", LEVELS)
def test_real_steps_of_training(level: int) -> None:
    _rans.select(level)
    before, change = weights(9000), weights(9000, seed=5, scale=1e-4)
    for width, write in PACK.values():
        base = write(before)
        data = write([x + e for x, e in zip(before, change, strict=True)])
        check(data, base, width, True)


def test_averages_of_squares_have_a_bias() -> None:
    before = [x * x for x in weights(3000)]
    base, data = f32(before), f32([x * 1.25 for x in before])
    body = check(data, base, 4, True)
    assert body[8:12] != bytes(4)
    level = f32([x * (1 + i % 3 - 1) for i, x in enumerate(before)])
    assert check(level, base, 4, True)[8:12] == bytes(4)


def test_steps_without_change_cost_a_bit() -> None:
    base = bf16(weights(64_000))
    assert len(encode(base, base, 2, True)) < 64_000 // 32 // 8 + 320
    changed = bytearray(base)
    changed[1000] ^= 1
    body = encode(bytes(changed), base, 2, True)
    assert len(body) < 64_000 // 32 // 8 + 350
    assert _rans.decode(body, len(base), base, 2, None) == changed


@pytest.mark.parametrize("level", LEVELS)
@given(size=st.integers(0, 200), kind=kinds, body=st.binary(max_size=500))
def test_any_bytes_are_read_as_the_reference_reads_them(
    level: int, size: int, kind: tuple[int, bool], body: bytes
) -> None:
    _rans.select(level)
    assert_read_alike(body, size, noise(size), kind[0])


SAMPLES = [
    (encode(data, base, width, width > 1), data, base, width)
    for width, write in [*PACK.values(), (1, lambda ws: bytes(round(w * 1500) % 256 for w in ws))]
    for base, data in [
        (write(weights(400)), write([w * 1.001 for w in weights(400)])),
        (write(weights(300)), write(weights(200) + [w * 1.1 for w in weights(300)[200:]])),
    ]
]


@pytest.mark.parametrize("level", LEVELS)
@given(sample=st.sampled_from(SAMPLES), data=st.data())
def test_damage_is_read_as_the_reference_reads_it(
    level: int, sample: tuple[bytes, bytes, bytes, int], data: st.DataObject
) -> None:
    _rans.select(level)
    good, raw, base, width = sample
    body = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 2, 64, 200]))
    body = body[: len(body) - cut] + bytes(data.draw(st.sampled_from([0, 0, 0, 1, 2, 300])))
    assert_read_alike(bytes(body), len(raw), base, width)


def assert_read_alike(body: bytes, size: int, base: bytes, width: int) -> None:
    try:
        expected: bytes | None = rans.decode(body, size, base, width)
    except ValueError:
        expected = None
    try:
        found = _rans.decode(body, size, base, width, None)
    except ValueError:
        found = None
    assert found == expected


def test_the_encoder_uses_them_for_floats_and_bytes() -> None:
    before = weights(60_000)
    after = [x + e for x, e in zip(before, weights(60_000, seed=5, scale=1e-4), strict=True)]
    base, raw = bf16(before), bf16(after)
    encoded = Encoder().encode(raw, element_size=2, dtype="BF16", base=(BASE_ID, base))
    assert encoded.codec is Codec.RANS2
    assert decode(encoded, base) == raw
    rng = random.Random(3)
    base = bytes(round(x * 1500) % 256 for x in before)
    raw = bytes((x + (rng.random() < 0.02)) % 256 for x in base)
    encoded = Encoder().encode(raw, element_size=1, dtype="I8", base=(BASE_ID, base))
    assert encoded.codec is Codec.RANS1
    assert len(encoded.body) < 0.025 * len(raw)


def test_a_damaged_body_is_corrupt() -> None:
    body, raw, base, width = SAMPLES[0]
    bad = Encoded(Codec[f"RANS{width}"], len(raw), body[:-2], BASE_ID)
    with pytest.raises(CorruptObject):
        decode(bad, base)
    with pytest.raises(CorruptObject):
        decode_into(bad, memoryview(bytearray(len(raw))), base)
    with pytest.raises(ValueError, match="base"):
        decode(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: _rans.encode(b"abcd", b"abcd", 3, False, 0, s),
        lambda s: _rans.encode(b"abcd", b"abc", 2, False, 0, s),
        lambda s: _rans.encode(b"abcd", b"abcd", 1, True, 0, s),
        lambda s: _rans.encode(b"abcd", b"abcd", 2, True, 16, s),
        lambda s: _rans.encode(b"abcd", b"abcd", 2, True, -1, s),
        lambda s: _rans.encode(b"abcd", b"abcd", 2, True, 7, s[:-1]),
        lambda s: _rans.encode_each([b"abcd"], [b"abcd"], 3, False, 0, s),
        lambda s: _rans.encode_each([b"abcd", b"ab"], [b"abcd", b"a"], 2, False, 0, s),
        lambda s: _rans.encode_each([b"abcd"], [], 2, False, 0, s),
        lambda s: _rans.encode_each([b"abcd"], [b"abcd"], 1, True, 0, s),
        lambda s: _rans.encode_each([b"abcd"], [b"abcd"], 2, True, 16, s),
        lambda s: _rans.encode_each([b"ab", b"abcd"], [b"ab", b"abcd"], 2, True, 7, s[:-1]),
        lambda s: _rans.decode(b"", 4, b"abc", 2, None),
        lambda s: _rans.decode(b"", -4, b"", 2, None),
        lambda s: _rans.decode(b"", 4, b"abcd", 3, None),
        lambda s: _rans.decode(b"", 4, b"abcd", 2, bytearray(5)),
        lambda s: _rans.scratch(-1, 2),
        lambda s: _rans.scratch(1, 3),
    ],
)
def test_arguments_that_do_not_agree_are_refused(call) -> None:
    with pytest.raises(ValueError):
        call(bytearray(_rans.scratch(4, 2)))
