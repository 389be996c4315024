"""The codecs: stored share and bytes per CPU-second, by kind of data, against zstd in three other ways.

    ours       Encoder and decode, chunks as the chunking cuts them: tensors every 256 KiB, the rest by
               the rolling hash; `delta` rows are offered the same piece of an earlier checkpoint
    whole -3   one zstd frame of level 3 over everything: what `zstd -3` of the file would be
    chunks -1  zstd level 1 over the same chunks
    BG4 -1     four byte lanes of each chunk, as Hugging Face's Xet groups them (there with LZ4), in one
               zstd frame of level 1

Times are CPU times of the one thread that does it, the best of `--rounds` taken in turn. The data are made
from seeds, but for `sources`: the standard library of this interpreter. Exit status 1: a target was missed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import zstandard
from data import make

from mvcd.chunking.chunker import cut_points
from mvcd.codec import _planes
from mvcd.codec.decode import decode
from mvcd.codec.encode import Encoder
from mvcd.ids import ChunkId

PIECE = 256 << 10
TARGETS = {"bf16": 0.68, "fp32": 0.85}
"""Share of raw."""
TEXT_TARGET = 1.10
"""Times `whole -3`."""
TEXT = ("csv", "json", "sources")
ID = ChunkId(bytes(32))


@dataclass(frozen=True)
class Sample:
    data: bytes
    element_size: int = 1
    dtype: str | None = None
    base: bytes | None = None

    def ends(self) -> list[int]:
        if self.dtype is None:
            return cut_points(self.data, final=True)
        return [*range(PIECE, len(self.data), PIECE), len(self.data)]


def bf16(values: np.ndarray) -> bytes:
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()


def edited(table: bytes) -> bytes:
    """One row in a thousand with another value in one of its columns."""
    chance = random.Random(1)
    rows = table.split(b"\n")
    for at in chance.sample(range(len(rows)), len(rows) // 1000):
        cells = rows[at].split(b",")
        cells[chance.randrange(len(cells))] = b"%.6f" % chance.random()
        rows[at] = b",".join(cells)
    return b"\n".join(rows)


def samples(size: int, scratch: Path) -> Iterator[tuple[str, Sample]]:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal(size // 4, dtype=np.float32) * np.float32(0.02)
    step = rng.standard_normal(size // 4, dtype=np.float32) * np.float32(1e-4)
    yield "bf16", Sample(bf16(weights), 2, "BF16")
    yield "fp32", Sample(weights.tobytes(), 4, "F32")
    yield "fp16", Sample(weights.astype("<f2").tobytes(), 2, "F16")
    high = weights.astype("<f2").view("u1")[1::2]
    yield "fp8 e5m2", Sample(high.tobytes(), 1, "F8_E5M2")
    yield "fp32 of bf16", Sample((weights.view("u4") & 0xFFFF0000).tobytes(), 4, "F32")
    yield "fp64", Sample(rng.standard_normal(size // 8).tobytes(), 8, "F64")
    yield "adam m", Sample((step * rng.gamma(0.5, size=step.size).astype("f4")).tobytes(), 4, "F32")
    yield "adam v", Sample((step * step).tobytes(), 4, "F32")
    yield "int8", Sample((weights * 1500).round().clip(-127, 127).astype("i1").tobytes(), 1, "I8")
    yield "int64 tokens", Sample(rng.zipf(1.3, size // 8).clip(0, 50000).tobytes(), 8, "I64")
    yield "delta bf16", Sample(bf16(weights + step), 2, "BF16", bf16(weights))
    yield "delta fp32", Sample((weights + step).tobytes(), 4, "F32", weights.tobytes())
    moved = np.where(rng.random(size) < 0.02, rng.choice([-1, 1], size), 0).astype("i1")
    q = (rng.standard_normal(size) * 30).round().clip(-126, 126).astype("i1")
    yield "delta int8", Sample((q + moved).tobytes(), 1, "I8", q.tobytes())
    rows = np.where(np.repeat(rng.random(size // 2048) < 0.1, 512), weights + step, weights)
    yield "delta rows", Sample(bf16(rows), 2, "BF16", bf16(weights))
    yield "bf16, plain", Sample(b"?" + bf16(weights))
    yield "fp32, plain", Sample(b"?" + weights.tobytes())
    yield "csv", Sample(make("csv", scratch / "table.csv", size).read_bytes())
    table = (scratch / "table.csv").read_bytes()
    yield "csv edited", Sample(edited(table), base=table)
    make("small", scratch / "small", max(2, size // 2560))
    records = sorted((scratch / "small").rglob("*.json"))
    yield "json", Sample(b"\n".join(path.read_bytes() for path in records))
    sources = sorted(make("sources", scratch / "sources", size).rglob("*.py"))
    yield "sources", Sample(b"".join(path.read_bytes() for path in sources))
    yield "random", Sample(rng.bytes(size))
    yield "zeros", Sample(bytes(size))


def clock(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


class Subject:
    """One way to store a sample: `encode` makes `bodies`, `decode` undoes them."""

    def __init__(self, name: str, sample: Sample) -> None:
        self.name = name
        self.view = memoryview(sample.data)
        ends = sample.ends()
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        if name == "whole -3":
            self.spans = [(0, len(self.view))]
        self.base = None if sample.base is None else memoryview(sample.base)
        self.options = {"element_size": sample.element_size, "dtype": sample.dtype}
        self.zstd = zstandard.ZstdCompressor(level=3 if name == "whole -3" else 1)
        self.unzstd = zstandard.ZstdDecompressor()
        self.encoder = Encoder()
        self.stored: list = []

    def encode(self) -> None:
        self.stored = [self._encode(start, end) for start, end in self.spans]

    def _encode(self, start: int, end: int):
        piece = self.view[start:end]
        if self.name == "ours":
            base = None if self.base is None else (ID, self.base[start:end])
            return self.encoder.encode(piece, base=base, **self.options)
        if self.name == "BG4 -1":
            lanes = bytearray(len(piece))
            _planes.split(lanes, piece, 4, False, None)
            return self.zstd.compress(lanes)
        return self.zstd.compress(piece)

    def decode(self) -> None:
        for (start, end), item in zip(self.spans, self.stored, strict=True):
            if self.name == "ours":
                decode(item, self.base[start:end] if item.base else None)
                continue
            raw = self.unzstd.decompress(item)
            if self.name == "BG4 -1":
                n = len(raw) // 4
                lanes = tuple(memoryview(raw)[k * n : k * n + n] for k in range(4))
                _planes.join(len(raw), lanes, raw[4 * n :], False, None, None)

    def size(self) -> int:
        return sum(len(x.body) if self.name == "ours" else len(x) for x in self.stored)


SUBJECTS = ("ours", "whole -3", "chunks -1", "BG4 -1")


def measure(sample: Sample, rounds: int) -> dict[str, dict[str, float]]:
    subjects = [Subject(name, sample) for name in SUBJECTS]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    for turn in range(rounds):
        for s in subjects[turn % 4 :] + subjects[: turn % 4]:
            times[s.name].append((clock(s.encode), clock(s.decode)))
    raw = len(sample.data)
    return {
        s.name: {
            "share": s.size() / raw,
            "encode_gb_per_cpu_second": raw / min(t[0] for t in times[s.name]) / 1e9,
            "decode_gb_per_cpu_second": raw / min(t[1] for t in times[s.name]) / 1e9,
        }
        for s in subjects
    }


def misses(kind: str, row: dict[str, dict[str, float]]) -> Iterator[str]:
    share = row["ours"]["share"]
    if share > TARGETS.get(kind, 1.01):
        yield f"{kind}: {share:.3f} of raw, target {TARGETS.get(kind, 1.01)}"
    if kind in TEXT and share > TEXT_TARGET * row["whole -3"]["share"]:
        yield f"{kind}: {share / row['whole -3']['share']:.2f} x zstd -3, target {TEXT_TARGET}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=32, help="MiB of each kind (default 32)")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", action="append", help="a kind of data; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    say = partial(print, flush=True) if not options.json else (lambda *_: None)
    say(f"{'share, encode / decode GB/s':28}" + "".join(f"{name:>22}" for name in SUBJECTS))
    results, missed = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        for kind, sample in samples(options.size << 20, Path(scratch)):
            if options.only and kind not in options.only:
                continue
            row = results[kind] = measure(sample, options.rounds)
            missed += misses(kind, row)
            cells = (
                f"{c['share']:10.4f} {c['encode_gb_per_cpu_second']:5.2f}/"
                f"{c['decode_gb_per_cpu_second']:5.2f}"
                for c in row.values()
            )
            say(f"{kind:28}" + "".join(cells))
    print(json.dumps({"size_mib": options.size, "results": results, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
