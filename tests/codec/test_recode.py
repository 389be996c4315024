"""Objects in the form of an older encoder get the form of today's."""

from __future__ import annotations

import random
import struct

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec.decode import decode
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.codec.recode import WORTH_SHARE, Recoder
from mvcd.ids import ChunkId

SOURCE = random.Random(5)
WEIGHTS = struct.pack("<20000f", *(SOURCE.gauss(0, 0.02) for _ in range(20_000)))
NEXT = struct.pack(
    "<20000f", *(x + SOURCE.gauss(0, 1e-6) for x in struct.unpack("<20000f", WEIGHTS))
)


def raw(data: bytes) -> Encoded:
    return Encoded(Codec.RAW, len(data), data)


def test_what_was_stored_as_it_is_and_compresses() -> None:
    text = b"a line that comes again\n" * 900
    found = Recoder().recode(raw(text), text, None)
    assert found is not None
    assert len(found.body) < len(text) / 20
    assert decode(found) == text


def test_todays_form_is_left_alone() -> None:
    for dtype, data in (("F32", WEIGHTS), (None, b"text " * 900), (None, SOURCE.randbytes(9000))):
        size = 4 if dtype else 1
        encoded = Encoder().encode(data, element_size=size, dtype=dtype)
        assert Recoder().recode(encoded, data, None) is None


def test_a_difference_keeps_its_base_and_its_elements() -> None:
    base = ChunkId.of(WEIGHTS)
    encoded = Encoder().encode(NEXT, element_size=4, dtype="F32", base=(base, WEIGHTS))
    assert encoded.base == base
    hasty = Encoded(Codec.ZSTD, len(NEXT), zstandard.compress(NEXT, 1))
    for form in (encoded, hasty):
        found = Recoder().recode(form, NEXT, WEIGHTS)
        assert found is None or decode(found, WEIGHTS) == NEXT


@given(st.binary(max_size=5000), st.integers(1, 22))
def test_any_form_gets_no_larger_and_decodes_to_the_same(data: bytes, level: int) -> None:
    forms = [raw(data)]
    if data:
        forms.append(Encoded(Codec.ZSTD, len(data), zstandard.compress(data, level)))
    for form in forms:
        found = Recoder().recode(form, data, None)
        if found is not None:
            assert len(found.body) < len(form.body) * (1 - WORTH_SHARE)
            assert decode(found) == data
