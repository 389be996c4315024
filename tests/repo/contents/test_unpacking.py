"""Packed ranges: any stretch of what they hold, in pieces however cut, and damaged ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import product
from math import prod

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.slices import gridded
from mvcd.inspect.tensorfile import Codec, Planes, Range
from mvcd.repo.contents.unpacking import DamagedStream, assembled, unpacked

PACK: dict[Codec, Callable[[bytes], bytes]] = {
    "deflate": lambda data: zlib.compress(data)[2:-4],
    "zstd": zstandard.ZstdCompressor().compress,
    "lzf": lambda data: b"".join(bytes([0, byte]) for byte in data),
    "plain": bytes,
}
codecs = st.sampled_from(sorted(PACK))


def shuffled(data: bytes, width: int) -> bytes:
    return b"".join(data[at::width] for at in range(width))


@given(st.data(), codecs, st.sampled_from([1, 2, 4, 8]), st.integers(1, 60))
def test_any_stretch(data: st.DataObject, codec: Codec, width: int, count: int) -> None:
    meant = data.draw(st.binary(min_size=width * count, max_size=width * count))
    last = data.draw(st.integers(0, len(meant)))
    skip, cut = data.draw(st.integers(0, last)), data.draw(st.integers(1, 99))
    planes = Planes(width, count) if data.draw(st.booleans()) else None
    packed = PACK[codec](meant if planes is None else shuffled(meant, width))
    place = Range(0, len(packed), unpacked=last, skip=skip, codec=codec, planes=planes)
    stored = [packed[at : at + cut] for at in range(0, len(packed), cut)]
    assert b"".join(unpacked(stored, place)) == meant[skip:last]
    assert place.length == last - skip


@pytest.mark.parametrize("codec", sorted(PACK))
@pytest.mark.parametrize("planes", [None, Planes(4, 10)])
def test_what_breaks_off_is_damage(codec: Codec, planes: Planes | None) -> None:
    packed = PACK[codec](bytes(range(40)))[:-6]
    place = Range(0, len(packed), unpacked=40, codec=codec, planes=planes)
    with pytest.raises(DamagedStream, match=r"decompressed|ends early"):
        list(unpacked([packed], place))


@given(st.binary(min_size=1, max_size=99), codecs)
def test_any_bytes_hold_something_or_are_damage(stored: bytes, codec: Codec) -> None:
    place = Range(0, len(stored), unpacked=4000, codec=codec, planes=Planes(4, 1000))
    try:
        assert len(b"".join(unpacked([stored], place))) == 4000
    except DamagedStream as damage:
        assert str(damage)


@given(st.data())
def test_a_block_of_tiles_is_the_array(data: st.DataObject) -> None:
    """Against numpy: a grid of chunks of any sides and element widths, each with elements past the array's
    end."""
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    sides = tuple(data.draw(st.integers(1, n + 1)) for n in shape)
    kind = data.draw(st.sampled_from(["u1", "<i4", "V3", "V40"]))
    width = np.dtype(kind).itemsize
    raw = np.random.default_rng(prod(shape)).bytes(prod(shape) * width)
    array = np.frombuffer(raw, kind).reshape(shape)
    held, chunks = b"", []
    for begin in product(*(range(0, n, side) for n, side in zip(shape, sides, strict=True))):
        whole = np.zeros(sides, kind)
        part = array[tuple(slice(at, at + side) for at, side in zip(begin, sides, strict=True))]
        whole[tuple(slice(n) for n in part.shape)] = part
        chunks.append((begin, Range(len(held), whole.nbytes)))
        held += whole.tobytes()
    content = gridded(chunks, sides, shape, width)
    assert content is not None
    assert sum(place.length for place in content) == len(raw)
    found = b"".join(
        held[place.offset : place.offset + place.size] if not place.tiles else assembled(
            [(tile, held[tile.place.offset : tile.place.offset + tile.place.size]) for tile in place.tiles],
            place.length,
        )
        for place in content
    )  # fmt: skip
    assert found == raw
    for place in content:
        if place.tiles:
            with pytest.raises(DamagedStream, match="too few"):
                assembled([(tile, b"") for tile in place.tiles], place.length)


def test_chunks_that_leave_gaps_are_no_grid() -> None:
    place = Range(0, 16)
    assert gridded([((0, 0), place)], (2, 2), (2, 4), 4) is None
    assert gridded([((0, 0), place), ((0, 0), place)], (2, 2), (2, 4), 4) is None
    assert gridded([((0, 0), place), ((0, 1), place)], (2, 2), (2, 4), 4) is None
    assert gridded([((0, 0), place), ((0, 2), place)], (2, 2), (2, 4), 4) is not None
