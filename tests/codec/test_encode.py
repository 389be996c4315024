"""Whatever is chosen decodes to what was given; and the choices are the ones CODEC.md describes."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec import _planes, alone
from mvcd.codec.alone import (
    BODY_CHOICES,
    FEW_REPEATS_PER_MILLE,
    FLAT_MILLIBITS,
    TINY_BYTES,
    TRIAL_BYTES,
    TRIAL_EVERY_CHUNKS,
    AloneEncoder,
)
from mvcd.codec.decode import decode, decode_into
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import Bytes
from tests.codec.samples import BASE_ID, PACK, bf16, f32, noise, table, weights

ENCODER = Encoder()


def round_trip(data: Bytes, *, base: bytes | None = None, **options) -> Encoded:
    encoded = ENCODER.encode(data, base=None if base is None else (BASE_ID, base), **options)
    assert encoded.raw_size == len(data)
    assert len(encoded.body) <= len(data) or encoded.base is not None
    assert encoded.base in (None, BASE_ID)
    given_base = base if encoded.base else None
    assert decode(encoded, given_base) == data
    out = bytearray(len(data))
    decode_into(encoded, memoryview(out), given_base)
    assert out == data
    return encoded


sizes = st.sampled_from([0, 1, 2, 3, 4, 6, 8, 16])
dtypes = st.sampled_from([None, "BF16", "F16", "F32", "F64", "I64", "F8_E4M3", "anything"])
pieces = st.one_of(
    st.binary(max_size=400),
    st.builds(lambda unit, n: unit * n, st.binary(min_size=1, max_size=12), st.integers(1, 2000)),
    st.builds(lambda n, seed: noise(n, seed=seed), st.integers(1, 9000), st.integers(0, 3)),
    st.builds(lambda n, cut: f32(weights(n))[cut:], st.integers(1, 3000), st.integers(0, 3)),
    st.builds(table, st.integers(1, 300)),
)
contents = st.lists(pieces, max_size=4).map(b"".join)


@given(contents, sizes, dtypes)
def test_anything_comes_back(data, element_size, dtype):
    round_trip(data, element_size=element_size, dtype=dtype)


@given(contents, st.data(), sizes, dtypes)
def test_anything_comes_back_with_any_base(data, draw, element_size, dtype):
    changed = bytearray(data)
    for at in draw.draw(st.lists(st.integers(0, max(0, len(data) - 1)), max_size=5)):
        changed[at : at + 1] = b"?"
    other_length = changed + b"+" * draw.draw(st.integers(0, 9))
    base = draw.draw(st.sampled_from([bytes(changed), bytes(other_length), bytes(changed[:-3])]))
    round_trip(data, base=base, element_size=element_size, dtype=dtype)


planar = st.one_of(
    contents,
    st.builds(
        lambda kind, n: PACK[kind][1](weights(n)),
        st.sampled_from(sorted(PACK)),
        st.integers(1, 3000),
    ),
)


@given(planar, st.sampled_from([2, 4, 8]), st.booleans())
def test_a_body_without_zstd_is_the_same_in_one_call(data, width, floats):
    by_planes = AloneEncoder()
    by_planes._until_body = 1
    expected = by_planes.planes(memoryview(data), width, floats, None)
    scratch = bytearray(_planes.body_scratch(len(data)))
    both = [data, bf16(weights(700))]
    bodies, lengths = _planes.encode_bodies(
        both, width, floats, BODY_CHOICES, 3, scratch + bytes(6000)
    )
    split, n = memoryview(bytearray(len(data))), len(data) // width
    _planes.split(split, data, width, floats, None)
    if any(needs_zstd(split[k * n : (k + 1) * n]) for k in range(width)):
        assert lengths == []
    else:
        assert bodies[3 : 3 + lengths[0]] == expected
        assert len(lengths) == 1 or bodies[3 + lengths[0] + 3 :][: lengths[1]] == by_planes.planes(
            memoryview(both[1]), width, floats, None
        )


def needs_zstd(plane):
    if len(plane) <= TINY_BYTES or _planes.period(plane) == 1:
        return False
    bits, repeats = _planes.probe(plane)
    few = repeats < FEW_REPEATS_PER_MILLE
    return not few or (bits < FLAT_MILLIBITS and AloneEncoder()._tiers(plane, bits) is None)


def test_what_is_asked_of_a_body_must_fit():
    data = bf16(weights(500))
    scratch = bytearray(_planes.body_scratch(len(data)))
    for width, room, space in (
        (1, 0, scratch),
        (3, 0, scratch),
        (2, 0, scratch[:-1]),
        (2, -1, scratch),
        (2, 1025, scratch),
    ):
        with pytest.raises(ValueError, match=r"width|too short"):
            _planes.encode_bodies([data], width, True, BODY_CHOICES, room, space)
    for none in ([data, None], (data,), None):
        with pytest.raises(TypeError):
            _planes.encode_bodies(none, 2, True, BODY_CHOICES, 0, scratch)
    assert _planes.encode_bodies([], 2, True, BODY_CHOICES, 9, scratch) == (bytearray(), [])


def test_tensors_that_need_zstd_are_not_tried_in_one_call_each_time(monkeypatch):
    tried = []
    real = _planes.encode_bodies
    monkeypatch.setattr(
        alone,
        "_planes",
        SimpleNamespace(
            **vars(_planes) | {"encode_bodies": lambda *a: tried.append(1) or real(*a)}
        ),
    )
    encoder, text = AloneEncoder(), b"".join(f"{n % 10:04}".encode() for n in range(5000))
    for _ in range(2 * TRIAL_EVERY_CHUNKS + 1):
        encoder.planes(memoryview(text), 4, False, None)
    assert len(tried) == 3
    for _ in range(TRIAL_EVERY_CHUNKS):
        encoder.planes(memoryview(bf16(weights(5000))), 2, True, None)
    assert len(tried) == 3 + TRIAL_EVERY_CHUNKS  # where it works, always


def test_one_that_needs_zstd_keeps_no_other_out_of_a_lot():
    text = b"".join(f"{n % 10:04}".encode() for n in range(2000))
    piece = bf16(weights(4000))
    encoder = AloneEncoder()
    for _ in range(3):
        _, lots = encoder.encode_lots([piece, piece, text, piece, piece], 2, True, 52)
        assert [(lot.start, lot.stop) for lot in lots] == [(0, 2), (3, 5)]
    _, lots = encoder.encode_lots([piece, text, text, piece], 2, True, 52)
    assert [(lot.start, lot.stop) for lot in lots] == [(0, 1)]


lots = st.lists(
    st.one_of(
        planar,
        st.sampled_from([bf16(weights(3000)), noise(5000), bytes(999), b"1234" * 900, b"tiny"]),
    ),
    max_size=9,
)


@given(lots, st.sampled_from([1, 2, 4, 8]), st.booleans(), st.sampled_from([0, 1, 52]))
def test_many_together_are_encoded_as_each_is(contents, width, floats, room):
    together, one_by_one = AloneEncoder(), AloneEncoder()
    found, lots = together.encode_lots(contents, width, floats, room)
    assert found == [one_by_one.encode(data, width, floats) for data in contents]
    there = [number for lot in lots for number in range(lot.start, lot.stop)]
    assert there == sorted(set(there))
    for lot in lots:
        at = 0
        for encoded in found[lot.start : lot.stop]:
            at += room
            assert lot.data[at : at + len(encoded.body)] == encoded.body
            at += len(encoded.body)
        assert at == len(lot.data)


def test_what_is_in_planes_lies_in_lots():
    piece, flat, fill = bf16(weights(4000)), noise(8000), bytes(8000)
    encoder = AloneEncoder()
    _, lots = encoder.encode_lots([piece, piece, flat, piece, fill, flat, piece], 2, True, 52)
    assert [(lot.start, lot.stop) for lot in lots] == [(0, 2), (3, 4), (6, 7)]
    assert encoder.encode_lots([flat], 2, True, 52)[1] == []
    assert encoder.encode_lots([piece], 1, False, 52)[1] == []
    assert encoder.encode_lots([], 2, True, 52) == ([], [])


def test_one_that_is_too_long_is_refused_among_others():
    with pytest.raises(ValueError, match="at most"):
        AloneEncoder().encode_lots([bf16(weights(99)), bytes(MAX_RAW_BYTES + 2)], 2, True, 0)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer(kind):
    round_trip(kind(table(500)))
    round_trip(kind(b""))


def test_the_largest_chunk_and_one_byte_more():
    round_trip(bytes(MAX_RAW_BYTES))
    round_trip(noise(MAX_RAW_BYTES), element_size=2, dtype="BF16")
    with pytest.raises(ValueError, match="at most"):
        ENCODER.encode(bytes(MAX_RAW_BYTES + 1))


@pytest.mark.parametrize(
    ("dtype", "share"), [("BF16", 0.68), ("F16", 0.86), ("F32", 0.85), ("F64", 0.90)]
)
def test_weights_in_planes(dtype, share):
    width, write = PACK[dtype]
    data = write(weights(262_144 // width))
    encoded = round_trip(data, element_size=width, dtype=dtype)
    assert encoded.codec.name == f"PLANES{width}"
    assert len(encoded.body) < share * len(data)


@pytest.mark.parametrize(("dtype", "share"), [("BF16", 0.69), ("F32", 0.86), ("F64", 0.91)])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_arrays_in_plain_files_are_recognised(dtype, share, offset):
    """A rolling hash cuts legacy files anywhere, also inside an element."""
    width, write = PACK[dtype]
    data = write(weights(80_000 // width))[offset:]
    encoded = round_trip(data)
    assert encoded.codec.name == f"PLANES{width}"
    assert len(encoded.body) < share * len(data)


def test_floats_that_hold_shorter_floats_lose_the_empty_planes():
    values = bf16(weights(50_000))
    data = b"".join(b"\0\0" + values[i : i + 2] for i in range(0, len(values), 2))
    encoded = round_trip(data, element_size=4, dtype="F32")
    assert len(encoded.body) < 0.34 * len(data)


def test_a_sequence_of_integers_nearly_vanishes():
    data = struct.pack("<30000q", *range(30_000))
    encoded = round_trip(data, element_size=8, dtype="I64")
    assert encoded.codec is Codec.PLANES8
    assert len(encoded.body) < 0.01 * len(data)


def test_text_is_zstd():
    data = table(3000)
    encoded = round_trip(data)
    assert encoded.codec is Codec.ZSTD
    assert len(encoded.body) < 0.5 * len(data)


def test_skewed_bytes_without_repeats_are_entropy_coded():
    data = bytes(b & 0x0F for b in noise(100_000))
    encoded = round_trip(data)
    assert encoded.codec is Codec.ZSTD
    assert len(encoded.body) < 0.51 * len(data)


@pytest.mark.parametrize("size", [0, 1, 64, 65, 3000, 65_536, 262_144])
@pytest.mark.parametrize("element_size", [1, 2, 4, 8])
def test_noise_stays_raw_and_is_not_copied(size, element_size):
    data = noise(size)
    encoded = round_trip(data, element_size=element_size)
    assert encoded.codec is Codec.RAW
    assert isinstance(encoded.body, memoryview)
    assert encoded.body.obj is data


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("extra", [0, 1])
def test_one_repeated_element_is_a_fill(width, extra):
    unit = bytes(range(1, width + 1))
    encoded = round_trip(unit * 1000 + unit[:extra], element_size=4)
    assert encoded.codec is Codec.FILL
    assert encoded.body == unit


@pytest.mark.parametrize("dtype", ["BF16", "F32"])
def test_a_training_step_is_a_small_delta(dtype):
    width, write = PACK[dtype]
    before = weights(40_000)
    after = [x + e for x, e in zip(before, weights(40_000, seed=5, scale=1e-5), strict=True)]
    alone = round_trip(write(after), element_size=width, dtype=dtype)
    encoded = round_trip(write(after), base=write(before), element_size=width, dtype=dtype)
    assert encoded.codec.name == f"RANS{width}"
    assert len(encoded.body) < 0.6 * len(alone.body)


def test_a_few_changed_rows_are_a_tiny_delta():
    before = f32(weights(40_000))
    after = before[:8000] + f32(weights(500, seed=9)) + before[10_000:]
    encoded = round_trip(after, base=before, element_size=4, dtype="F32")
    assert encoded.codec is Codec.RANS4
    assert len(encoded.body) < 0.05 * len(after)


@given(
    st.lists(
        st.sampled_from(["step", "still", "zeros", "unrelated", "longer", "tiny"]), max_size=24
    ),
    st.sampled_from(["BF16", "F32"]),
)
def test_many_deltas_come_back_whatever_is_among_them(kinds, dtype):
    """Neighbours are taken to be alike, and pieces of other kinds among them are noticed."""
    width, write = PACK[dtype]
    before, after = weights(4000), weights(4000, seed=5, scale=1e-5)
    stepped = [x + e for x, e in zip(before, after, strict=True)]
    made = {
        "step": (write(stepped), write(before)),
        "still": (write(before), write(before)),
        "zeros": (bytes(4000 * width), write(before)),
        "unrelated": (write(weights(4000, seed=8)), write(before)),
        "longer": (write(stepped + before[:9]), write(before)),
        "tiny": (write(stepped[:9]), write(before[:9])),
    }
    pieces = [(*made[kind], 1.0) for kind in kinds]
    offered = [(data, BASE_ID, base, pays) for data, base, pays in pieces]
    found = Encoder().encode_deltas(offered, element_size=width, dtype=dtype)
    for kind, encoded, (data, base, _) in zip(kinds, found, pieces, strict=True):
        assert decode(encoded, base if encoded.base else None) == data
        assert (encoded.base is not None) == (kind in ("step", "still", "longer"))


def test_one_trial_speaks_for_its_neighbours(monkeypatch):
    """Until one of them is worth less than it said."""
    tried = []
    real = Encoder._best_by_element
    monkeypatch.setattr(
        Encoder, "_best_by_element", lambda self, *a: tried.append(1) or real(self, *a)
    )
    before, after = weights(4000), weights(4000, seed=5, scale=1e-5)
    stepped = bf16([x + e for x, e in zip(before, after, strict=True)])
    step = (stepped, BASE_ID, bf16(before), 1.0)
    unrelated = (bf16(weights(4000, seed=8)), BASE_ID, bf16(before), 1.0)
    encoder = Encoder()
    encoder.encode_deltas([step] * 2 * TRIAL_EVERY_CHUNKS, element_size=2, dtype="BF16")
    assert len(tried) == 2
    for data, id, base, pays in (step, step):
        encoder.encode(data, element_size=2, dtype="BF16", base=(id, base), pays=pays)
    assert len(tried) == 3, "one by one they are asked about as together"
    encoder.encode_deltas([step, unrelated, step], element_size=2, dtype="BF16")
    assert len(tried) == 5


def test_a_delta_that_does_not_pay_is_not_taken():
    data = bf16(weights(40_000))
    unrelated = bf16(weights(40_000, seed=77))
    encoded = round_trip(data, base=unrelated, element_size=2, dtype="BF16")
    assert encoded.codec is Codec.PLANES2
    assert encoded.base is None
    assert round_trip(noise(50_000), base=noise(50_000, seed=2)).codec is Codec.RAW


def test_one_changed_byte_of_noise_is_a_patch():
    before = noise(50_000)
    after = before[:700] + b"!" + before[701:]
    encoded = round_trip(after, base=before)
    assert encoded.codec is Codec.PATCH
    assert len(encoded.body) < 50


def test_edited_rows_are_a_patch_though_they_move_all_that_follows():
    before = table(2000)
    rows = before.split(b"\n")
    rows[3] += b" and more"
    rows[700:700] = [b"a row put in", b"and another one"]
    del rows[1500]
    encoded = round_trip(b"\n".join(rows), base=before)
    assert encoded.codec is Codec.PATCH
    assert len(encoded.body) < 200


def test_bytes_that_all_move_a_little_are_a_delta_of_bytes():
    before = noise(50_000)
    after = bytes((x + i % 2) % 256 for i, x in enumerate(before))
    encoded = round_trip(after, base=before)
    assert encoded.codec is Codec.RANS1
    flipped = bytes(x ^ 0x81 for x in before)
    assert round_trip(flipped, base=before).codec is Codec.DELTA1


def test_text_that_has_little_in_common_is_no_patch():
    assert round_trip(table(2000), base=noise(50_000)).base is None
    letters = bytes(65 + x % 16 for x in noise(60_000))
    other = bytes(65 + x % 16 for x in noise(60_000, seed=4))
    assert round_trip(letters, base=other).base is None


def test_scratch_space_does_not_shine_through():
    """A longer chunk came before; and a body stays what it was when the next chunk is encoded."""
    encoder = Encoder()
    long, short = bf16(weights(60_000)), f32(weights(900, seed=3))
    first = encoder.encode(long, element_size=2, dtype="BF16")
    second = encoder.encode(short, element_size=4, dtype="F32")
    assert decode(first) == long
    assert decode(second) == short


def test_a_change_of_kind_is_noticed():
    """What was liked for one kind of bytes is not imposed on the next: the size is a new encoder's."""
    skewed = [bytes(b & 0x0F for b in noise(40_000, seed=i)) for i in range(3)]
    text = Path(__file__).read_bytes() * 2 + (Path(__file__).parent / "test_decode.py").read_bytes()
    encoder = Encoder()
    assert len(text) > TRIAL_BYTES  # shorter chunks are not a matter of liking
    for chunk in skewed:
        encoder.encode(chunk)
    assert len(encoder.encode(text).body) == len(Encoder().encode(text).body)


def test_encoders_and_decoding_in_many_threads():
    data = [noise(70_000), table(2000), bf16(weights(30_000)), f32(weights(20_000)), bytes(80_000)]

    def work(seed: int) -> None:
        encoder = Encoder()
        for i in range(20):
            raw = data[(seed + i) % len(data)]
            encoded = encoder.encode(raw, element_size=(1, 2, 4)[i % 3], base=(BASE_ID, data[seed]))
            assert decode(encoded, data[seed] if encoded.base else None) == raw

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))


SMALL = st.one_of(
    st.binary(max_size=300),
    st.builds(noise, st.integers(0, 5000)),
    st.builds(lambda n, m: table(200)[n : n + m], st.integers(0, 50), st.integers(0, 5000)),
    st.builds(lambda unit, n: unit * n, st.binary(min_size=1, max_size=3), st.integers(0, 900)),
)


@given(data=SMALL)
def test_small_bytes_are_encoded_as_all_are(data: bytes) -> None:
    small = ENCODER.alone.encode_small(data)
    assert small._replace(body=bytes(small.body)) == Encoder().encode(data)


@given(contents=st.lists(SMALL | st.builds(noise, st.integers(4000, 9000)), max_size=9))
def test_many_are_encoded_as_one_by_one(contents: list[bytes]) -> None:
    together = [e._replace(body=bytes(e.body)) for e in ENCODER.alone.encode_each(contents)]
    assert together == [ENCODER.alone.encode_small(data) for data in contents]
