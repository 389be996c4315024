"""LZF against a plain model, and damaged streams; what h5py itself writes is in test_hdf5.py."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.lzf import NoLzf, unpacked

LITERAL = st.binary(min_size=1, max_size=32)
BACK = st.tuples(st.integers(1, 8192), st.integers(3, 264))


def encoded(steps: list[bytes | tuple[int, int]]) -> tuple[bytes, bytes]:
    """A stream, and byte by byte what it means. References to before the beginning are left out."""
    stream, meant = bytearray(), bytearray()
    for step in steps:
        if isinstance(step, bytes):
            stream += bytes([len(step) - 1]) + step
            meant += step
        elif step[0] <= len(meant):
            (back, length), over = step, step[1] - 9
            high, low = divmod(back - 1, 256)
            stream += bytes([min(length - 2, 7) << 5 | high])
            stream += bytes([over, low]) if over >= 0 else bytes([low])
            for _ in range(length):
                meant.append(meant[-back])
    return bytes(stream), bytes(meant)


@given(st.lists(LITERAL | BACK, max_size=600), st.integers(1, 99))
def test_what_a_stream_means(steps: list[bytes | tuple[int, int]], piece: int) -> None:
    stream, meant = encoded(steps)
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert b"".join(unpacked(pieces)) == meant


def test_long_streams_come_in_pieces() -> None:
    stream, meant = encoded([b"abc", *[(3, 264)] * 9000, b"x", (8192, 264), (1, 264)])
    pieces = list(unpacked([stream]))
    assert b"".join(pieces) == meant and max(map(len, pieces)) < 66 << 10
    assert len(pieces) > 30


@pytest.mark.parametrize("stream", [b"\x01a", b"\x20", b"\xe0\x05", b"\x00a\x20\x01", b"\x20\x00"])
def test_what_lzf_does_not_write(stream: bytes) -> None:
    with pytest.raises(NoLzf):
        list(unpacked([stream]))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(stream: bytes) -> None:
    with suppress(NoLzf):
        assert sum(map(len, unpacked([stream]))) <= 264 * len(stream)
