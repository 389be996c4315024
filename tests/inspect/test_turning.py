"""Axes brought into the shape's order, with numpy as judge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.turning import turned


@given(
    st.lists(st.integers(0, 4), max_size=5).map(tuple),
    st.sampled_from(["u1", "f2", "f4", "f8", "c16", "V3", "V12"]),
    st.randoms(use_true_random=False),
)
def test_equals_numpy(shape: tuple[int, ...], dtype: str, rng) -> None:
    order = list(range(len(shape)))
    rng.shuffle(order)
    count = int(np.prod(shape))
    made = np.frombuffer(rng.randbytes(count * np.dtype(dtype).itemsize), dtype).reshape(shape)
    assert turned(made.transpose(order).tobytes(), shape, tuple(order)) == made.tobytes()


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="are no"):
        turned(b"12345", (2, 2), (1, 0))
    with pytest.raises(ValueError, match="are no"):
        turned(b"1234", (2, 2), (1, 1))
