"""What checkpoints would take at least: an order-0 coder of differences that knew all frequencies beforehand.

Reads JSON from stdin, a list of [file, [files it may be a difference to]], and prints the bytes of each as a
list. For each tensor the smallest counts, of

- alone: the entropy of sign and exponent together, and the bits of the mantissa, which is noise;
- as a difference to the same tensor of a base: both as numbers in the order of floats, the difference folded
  (CODEC.md, DELTA). The entropy of its length in bits given the base's exponent, and the bits below the
  highest;
- nothing where a base holds the same bytes, or the FP32 values that round to these.

Contexts beyond that (neighbours, the moment beside) would get below it; a code of whole bits stays above.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np

Array = np.ndarray
Tensors = dict[str, tuple[str, Array]]
_MANTISSA_BITS = {"F32": 23, "BF16": 7, "F16": 10}


def read(path: Path) -> Tensors:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    found = {}
    for name, tensor in json.loads(data[8 : 8 + size]).items():
        start, stop = (8 + size + at for at in tensor["data_offsets"])
        kind = "<u4" if tensor["dtype"] == "F32" else "<u2"
        found[name] = tensor["dtype"], np.frombuffer(data[start:stop], kind)
    return found


def rounded(values: Array) -> Array:
    """The BF16 bits nearest to FP32 bits, ties to even."""
    wide = values.astype("u8")
    return ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype("<u2")


def _entropy(counts: Array) -> float:
    """Bits in all."""
    some = counts[counts > 0]
    return float((some * np.log2(some.sum() / some)).sum()) if len(some) else 0.0


def alone_bits(dtype: str, values: Array) -> float:
    mantissa = _MANTISSA_BITS[dtype]
    return _entropy(np.bincount(values >> mantissa)) + mantissa * len(values)


def difference_bits(dtype: str, values: Array, base: Array) -> float:
    bits, mantissa = 8 * values.itemsize, _MANTISSA_BITS[dtype]
    top = values.dtype.type(1 << (bits - 1))

    def ordered(x: Array) -> Array:
        return np.where(x & top, ~x, x | top)

    apart = ordered(values) - ordered(base)
    folded = (apart << 1) ^ np.where(apart & top, ~values.dtype.type(0), 0).astype(apart.dtype)
    lengths = np.frexp(folded.astype("f8"))[1]
    exponents = ((base & ~top) >> mantissa).astype("i8")
    table = np.bincount(exponents * 64 + lengths, minlength=64 << (bits - 1 - mantissa))
    known = sum(map(_entropy, table.reshape(-1, 64)))
    return known + float(np.maximum(lengths - 1, 0).sum())


def floor(file: Tensors, bases: list[Tensors]) -> float:
    """Bytes."""
    total = 0.0
    for name, (dtype, values) in file.items():
        sizes = [alone_bits(dtype, values)]
        for other, base in (b[name] for b in bases if name in b):
            if other == dtype and base.shape == values.shape:
                sizes.append(difference_bits(dtype, values, base))
            elif (other, dtype) == ("F32", "BF16") and np.array_equal(rounded(base), values):
                sizes.append(0.0)
        total += min(sizes) / 8
    return total


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps([floor(read(Path(f)), [read(Path(b)) for b in bases]) for f, bases in asked]))
