"""Inputs of the codec tests: bytes as models, tables and archives hold them, small and deterministic."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from mvcd.ids import ChunkId

BASE_ID = ChunkId(bytes(range(32)))


def weights(count: int, *, seed: int = 1, scale: float = 0.02) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, scale) for _ in range(count)]


def f32(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def f16(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def f64(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def bf16(values: list[float]) -> bytes:
    single = f32(values)
    return b"".join(single[i + 2 : i + 4] for i in range(0, len(single), 4))


PACK: dict[str, tuple[int, Callable[[list[float]], bytes]]] = {
    "BF16": (2, bf16),
    "F16": (2, f16),
    "F32": (4, f32),
    "F64": (8, f64),
}
"""dtype -> (element size in bytes, how to write a list of numbers)."""


def noise(size: int, *, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def table(rows: int) -> bytes:
    rng = random.Random(2)
    lines = [
        f"{i},{1_700_000_000 + 60 * i},{rng.choice(['cat', 'dog', 'owl'])},{rng.gauss(20, 5):.2f}"
        for i in range(rows)
    ]
    return "\n".join(lines).encode()
