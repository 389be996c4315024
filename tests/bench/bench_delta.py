"""Differences between neighbouring checkpoints of one run: stored share and bytes per CPU-second, by kind.

    alone      Encoder without a base
    planes     planes of differences, the codecs DELTA: all that there was before RANS
    ours       Encoder with the base offered: its trial of both ways, and what it takes
    XOR -1     XOR with the base, byte planes, each a zstd frame of level 1 (as BitX and TensorDex do)
    patch -3   zstd level 3 with the base as prefix, what `zstd --patch-from` does

The run is real (series.py). Tensors are cut every 256 KiB. Beside the ways stand entropies of the classes of
CODEC.md (RANS) plus their rests, what an ideal coder would take of each chunk: of order 0; given the exponent
of the base; given the class of the element above in the matrix as well; and of the length alone as class.

Times are CPU times of the one thread that does it, the best of `--rounds` taken in turn. Exit status 1: a
target was missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import zstandard

from mvcd.codec import _planes
from mvcd.codec.decode import decode
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId

PIECE = 256 << 10
ID = ChunkId(bytes(32))
WAYS = ("alone", "planes", "ours", "XOR -1", "patch -3")
KINDS = {  # kind -> prefix of its files, end of its tensors' names, dtype
    "BF16 weights": ("bf16-", "", "BF16"),
    "FP32 weights": ("", "", "F32"),
    "exp_avg": ("adam-", ".exp_avg", "F32"),
    "exp_avg_sq": ("adam-", ".exp_avg_sq", "F32"),
}
ENCODE_TARGET, DECODE_TARGET = 0.8, 2.0
"""GB per CPU-second of ours, where it takes the difference."""

Pair = tuple[memoryview, memoryview, int]
"""A piece of a tensor, the same of the checkpoint before, the elements of a row."""


def tensors(path: Path, end: str) -> dict[str, tuple[memoryview, int]]:
    data = memoryview(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    found = json.loads(bytes(data[8:start]))
    places = {n: (e["data_offsets"], e["shape"]) for n, e in found.items() if n.endswith(end)}
    return {n: (data[start + a : start + b], shape[-1]) for n, ((a, b), shape) in places.items()}


def pieces(path: Path, before: Path, end: str) -> list[Pair]:
    old, found = tensors(before, end), []
    for name, (data, row) in tensors(path, end).items():
        for at in range(0, len(data), PIECE):
            found.append((data[at : at + PIECE], old[name][0][at : at + PIECE], row))
    return found


class Way:
    """One way to store `pieces`."""

    def __init__(self, name: str, pairs: list[Pair], dtype: str) -> None:
        self.name, self.pairs, self.dtype = name, pairs, dtype
        self.width = 2 if dtype == "BF16" else 4
        self.encoder = Encoder()
        self.zstd, self.unzstd = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
        self.stored: list = []

    def encode(self) -> None:
        self.stored = [self._encode(new, old) for new, old, _ in self.pairs]

    def _encode(self, new: memoryview, old: memoryview):
        if self.name in ("alone", "ours"):
            base = (ID, old) if self.name == "ours" else None
            return self.encoder.encode(new, element_size=self.width, dtype=self.dtype, base=base)
        if self.name == "planes":
            body = self.encoder.alone.planes(new, self.width, True, old)
            return Encoded(Codec[f"DELTA{self.width}"], len(new), body, ID)
        if self.name == "XOR -1":
            split = bytearray(len(new))
            _planes.split(split, new, self.width, False, old)
            n = len(new) // self.width
            return [self.zstd.compress(split[k * n : (k + 1) * n]) for k in range(self.width)]
        return zstandard.ZstdCompressor(level=3, dict_data=prefix(old)).compress(new)

    def decode(self) -> None:
        for (new, old, _), item in zip(self.pairs, self.stored, strict=True):
            if self.name in ("alone", "ours", "planes"):
                decode(item, old if item.base else None)
            elif self.name == "XOR -1":
                planes = tuple(self.unzstd.decompress(plane) for plane in item)
                _planes.join(len(new), planes, b"", False, old, None)
            else:
                zstandard.ZstdDecompressor(dict_data=prefix(old)).decompress(item)

    def size(self) -> int:
        if self.name == "XOR -1":
            return sum(len(plane) for item in self.stored for plane in item)
        return sum(len(getattr(item, "body", item)) for item in self.stored)

    def differences(self) -> float:
        return sum(getattr(item, "base", None) is not None for item in self.stored) / len(
            self.stored
        )


def prefix(base: memoryview) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(bytes(base), dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def clock(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def measure(pairs: list[Pair], dtype: str, rounds: int) -> dict[str, dict[str, float]]:
    ways = [Way(name, pairs, dtype) for name in WAYS]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for turn in range(rounds):
        start = turn % len(ways)
        for way in ways[start:] + ways[:start]:
            times[way.name].append((clock(way.encode), clock(way.decode)))
    raw = sum(len(new) for new, _, _ in pairs)
    return {
        way.name: {
            "share": way.size() / raw,
            "encode_gb_per_cpu_second": raw / min(t[0] for t in times[way.name]) / 1e9,
            "decode_gb_per_cpu_second": raw / min(t[1] for t in times[way.name]) / 1e9,
            "differences": way.differences(),
        }
        for way in ways
    }


# ---------------------------------------------------------------- entropies


def entropy(*symbols: np.ndarray) -> float:
    """Bits of all of the last symbols, given the others."""

    def total(keys: np.ndarray) -> float:
        counts = np.unique(keys, return_counts=True)[1].astype(float)
        return float((counts * np.log2(counts.sum() / counts)).sum())

    given = np.zeros(len(symbols[0]), np.int64)
    for symbol in symbols[:-1]:
        given = given * 512 + symbol
    return total(given * 512 + symbols[-1]) - total(given)


def entropies(pairs: list[Pair], dtype: str) -> dict[str, float]:
    """Share of raw."""
    bits, mantissa = (16, 7) if dtype == "BF16" else (32, 23)
    unsigned = np.dtype(f"<u{bits // 8}")
    found = {"order 0": 0.0, "exponent": 0.0, "and above": 0.0, "lengths": 0.0}
    for new, old, row in pairs:
        x, y = (np.frombuffer(part, unsigned).astype(np.int64) for part in (new, old))
        sign = 1 << (bits - 1)
        a, b = (np.where(v & sign, ~v & (2 * sign - 1), v | sign) for v in (x, y))
        d = a - b
        folded = np.where(d < 0, -2 * d - 1, 2 * d)
        length = np.frexp(folded.astype(float))[1].astype(np.int64)
        second = np.where(length > 1, folded >> np.maximum(length - 2, 0) & 1, 0)
        symbol = np.where(folded < 2, folded, 2 * (length - 1) + second)
        rest, whole = np.maximum(length - 2, 0).sum(), np.maximum(length - 1, 0).sum()
        exponent = y >> mantissa & 0xFF
        above = np.concatenate([symbol[:row], symbol[:-row]])
        found["order 0"] += entropy(symbol) + rest
        found["exponent"] += entropy(exponent, symbol) + rest
        found["and above"] += entropy(exponent, above // 4, symbol) + rest
        found["lengths"] += entropy(exponent, length) + whole
    raw_bits = 8 * sum(len(new) for new, _, _ in pairs)
    return {name: value / raw_bits for name, value in found.items()}


# ---------------------------------------------------------------- all


def misses(title: str, row: dict[str, dict[str, float]]) -> Iterator[str]:
    ours = row["ours"]
    if ours["share"] > min(row["alone"]["share"], row["planes"]["share"]) * 1.005:
        yield f"{title}: {ours['share']:.3f} of raw, larger than another way"
    if ours["differences"] == 1:
        for what, least in (("encode", ENCODE_TARGET), ("decode", DECODE_TARGET)):
            if (speed := ours[f"{what}_gb_per_cpu_second"]) < least:
                yield f"{title}: {what} {speed:.2f} GB per CPU-second, target {least}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=1024, help="of the four square matrices")
    parser.add_argument("--checkpoints", type=int, default=8, help="of which three are taken")
    parser.add_argument("--made", help="a directory that series.py or gpt.py filled before")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    say = partial(print, flush=True) if not options.json else (lambda *_: None)
    say(f"{'share, encode / decode GB/s':22}" + "".join(f"{name:>19}" for name in WAYS))
    results, missed, last = {}, [], options.checkpoints
    with tempfile.TemporaryDirectory() as made:
        program = Path(__file__).with_name("series.py")
        subprocess.run([sys.executable, program, made, str(last), str(options.width)], check=True)
        for kind, (start, end, dtype) in KINDS.items():
            for number in (2, (last + 2) // 2, last):
                new, old = (Path(made, f"{start}{n:03}.safetensors") for n in (number, number - 1))
                title = f"{kind} {number}"
                pairs = pieces(new, old, end)
                row = measure(pairs, dtype, options.rounds)
                ideal = entropies(pairs, dtype)
                results[title] = {"ways": row, "entropies": ideal}
                missed += misses(title, row)
                cells = (
                    f"{c['share']:8.4f} {c['encode_gb_per_cpu_second']:4.2f}/"
                    f"{c['decode_gb_per_cpu_second']:5.2f}"
                    for c in row.values()
                )
                say(f"{title:22}" + "".join(cells))
                say(" " * 24 + ", ".join(f"{name} {v:.4f}" for name, v in ideal.items()))
    print(json.dumps({"width": options.width, "results": results, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
