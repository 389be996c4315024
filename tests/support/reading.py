"""Bytes at hand, read as readers of `mvcd.inspect` read files."""

from __future__ import annotations

import io
from collections.abc import Mapping

from mvcd.inspect import tensorfiles
from mvcd.inspect.spans import ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from mvcd.inspect.values import Parsed, read_metrics
from mvcd.repo.contents.unpacking import assembled, unpacked


def reading(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


def elements(tensor: StoredTensor, files: Mapping[str, bytes]) -> bytes:
    """Bytes of a tensor, from files by their names; "" is the one that lists it. Raises DamagedStream."""
    assert not isinstance(tensor.content, bytes) and not tensor.coded
    found = b""
    for place in tensor.content:
        if place.tiles:
            tiles = [(tile, _lying(tile.place, files)) for tile in place.tiles]
            found += assembled(tiles, place.length)
        else:
            found += _lying(place, files)
    assert len(found) == tensor.size
    return found


def _lying(place: Range, files: Mapping[str, bytes]) -> bytes:
    part = place.literal or files[place.beside][place.offset : place.offset + place.size]
    cut = [part[:7], part[7:]]
    return part if place.unpacked is None else b"".join(unpacked(cut, place))


def tensors_of(data: bytes) -> TensorFile | None:
    return tensorfiles.read(reading(data), len(data))


def parse_metrics(path: str, data: bytes) -> Parsed:
    return read_metrics(path, io.BytesIO(data), len(data))
