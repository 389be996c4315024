"""Cutting and naming chunks: bytes per CPU-second, against `hf_xet.hash_files` and pyfastcdc + BLAKE3.

Everything that a chunk's name costs is counted, in user and system time of all threads of this process:
reading the file from the page cache, finding the cut points, BLAKE3 of every chunk. The file holds
normally distributed BF16. Subjects run in turn, so that a slow spell of the machine hits all; ratios are
taken within a round, and their median is the result.

`plain` is our best kernel, `tensor` cuts every 256 KiB without a rolling hash, the other rows force one
kernel each; BLAKE3 keeps its own SIMD in all of them, as it does in hf_xet. Exit status 1: a target was
missed.
"""

from __future__ import annotations

import argparse
import json
import mmap
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hf_xet
import numpy as np
from pyfastcdc import FastCDC

from mvcd.chunking import _cut
from mvcd.chunking.chunker import BUFFER_BYTES, StreamCutter, cut_points
from mvcd.ids import ChunkId

TARGETS = {"plain": 2.0, "tensor": 3.0, "portable": 1.3}
"""Times `hf_xet.hash_files`; the first one on machines with AVX-512."""


def write_bf16(path: Path, size: int) -> None:
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for start in range(0, size, 1 << 25):
            weights = rng.standard_normal(min(1 << 25, size - start) // 2, dtype=np.float32) * 0.02
            file.write((weights.view(np.uint32) >> 16).astype(np.uint16))


@dataclass(frozen=True)
class Tensor:
    """A span for the cutter: the whole file as one tensor."""

    size: int
    tensor: object = True


def read(path: Path, *, tensor: bool = False, kernel: str | None = None) -> None:
    """Our way, as a commit does it: read into a buffer, cut, hash."""
    spans = [Tensor(path.stat().st_size)] if tensor else None
    buffer = bytearray(BUFFER_BYTES)
    with path.open("rb", buffering=0) as file:
        cutter = StreamCutter(file.readinto, spans, kernel=kernel)
        while found := cutter.fill(buffer):
            for chunk in found:
                ChunkId.of(chunk.data)


def mapped(path: Path) -> None:
    """The same through mmap, in windows of the same size: does it cost less than reading?"""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
        mapping.madvise(mmap.MADV_SEQUENTIAL)
        with memoryview(mapping) as view:
            start = 0
            while start < len(view):
                stop = min(start + BUFFER_BYTES, len(view))
                before = start
                with view[before:stop] as window:
                    for end in cut_points(window, final=stop == len(view)):
                        with view[start : before + end] as chunk:
                            ChunkId.of(chunk)
                        start = before + end


def fastcdc(path: Path) -> None:
    """pyfastcdc's cutter (its best: a mapped file) and the same BLAKE3."""
    for chunk in FastCDC(1 << 16, min_size=1 << 15, max_size=1 << 18).cut_file(path):
        ChunkId.of(chunk.data)


def xet(path: Path) -> None:
    hf_xet.hash_files([str(path)])


SUBJECTS: dict[str, Callable[[Path], None]] = {
    "hf_xet": xet,
    "pyfastcdc": fastcdc,
    "plain": read,
    "tensor": partial(read, tensor=True),
    **{name: partial(read, kernel=name) for name in _cut.kernels()},
    "plain, mmap": mapped,
}


def cpu_seconds(subject: Callable[[Path], None], path: Path) -> float:
    """User and system time of all threads of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    subject(path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """For each subject GB per CPU-second and its ratio to hf_xet: medians over the rounds."""
    size = path.stat().st_size
    names = list(SUBJECTS)
    xet(path)  # starts its threads, fills the page cache
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(cpu_seconds(SUBJECTS[name], path))
    return {
        name: {
            "gb_per_cpu_second": statistics.median(size / t / 1e9 for t in times[name]),
            "ratio": statistics.median(
                x / t for x, t in zip(times["hf_xet"], times[name], strict=True)
            ),
        }
        for name in names
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, help="MiB (default 1024)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scratch", type=Path, help="directory for the file (default: the system's)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        path = Path(scratch) / "weights.bin"
        write_bf16(path, options.size << 20)
        results = measure(path, options.rounds)
    targets = {
        name: target for name, target in TARGETS.items() if name != "plain" or "avx512" in results
    }
    missed = [name for name, target in targets.items() if results[name]["ratio"] < target]
    if not options.json:
        print(f"{'':12}  GB per CPU-second  x hf_xet  target")
        for name, row in results.items():
            target = f"{targets[name]:8.1f}" if name in targets else ""
            print(f"{name:12}{row['gb_per_cpu_second']:19.2f}{row['ratio']:10.2f}{target}")
    print(
        json.dumps(
            {
                "size_mib": options.size,
                "rounds": options.rounds,
                "results": results,
                "missed": missed,
            }
        )
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
