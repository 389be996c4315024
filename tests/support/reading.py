"""Bytes at hand, read as readers of `mvcd.inspect` read files."""

from __future__ import annotations

import io

from mvcd.inspect import tensorfiles
from mvcd.inspect.spans import ReadAt
from mvcd.inspect.tensorfile import TensorFile
from mvcd.inspect.values import Parsed, read_metrics


def reading(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


def tensors_of(data: bytes) -> TensorFile | None:
    return tensorfiles.read(reading(data), len(data))


def parse_metrics(path: str, data: bytes) -> Parsed:
    return read_metrics(path, io.BytesIO(data), len(data))
