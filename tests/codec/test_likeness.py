"""The guess at a difference's size: that it orders bases as the differences themselves do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec.encode import Encoder
from mvcd.codec.likeness import difference_bits
from mvcd.ids import ChunkId


@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
def test_the_nearer_base_is_found(dtype: str) -> None:
    kind = f"f{int(dtype[1:]) // 8}"
    rng = np.random.default_rng(1)
    base = rng.normal(0, 0.02, 30_000).astype(kind)
    near = (base + rng.normal(0, 1e-4, base.size).astype(kind)).tobytes()
    data = np.frombuffer(near, kind) + rng.normal(0, 1e-4, base.size).astype(kind)
    size = np.dtype(kind).itemsize
    guesses, sizes = [], []
    for one in (near, base.tobytes(), data[::-1].tobytes()):
        guesses.append(difference_bits(data.tobytes(), one, element_size=size, dtype=dtype))
        encoded = Encoder().encode(
            data.tobytes(), element_size=size, dtype=dtype, base=(ChunkId.of(one), one), pays=9.0
        )
        sizes.append(len(encoded.body))
    assert guesses == sorted(guesses) and len(set(guesses)) == 3
    assert sizes == sorted(sizes)


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([1, 2, 3, 4, 8, 16]))
def test_any_two_chunks_can_be_compared(data: bytes, base: bytes, size: int) -> None:
    assert difference_bits(data, base, element_size=size, dtype="F32") >= 0
    assert difference_bits(data, data, element_size=size, dtype="F32") == 0
