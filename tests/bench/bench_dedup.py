"""How much of an edited file deduplication must store anew: our cutter, plain gear64, FastCDC.

All three are brought to the same mean chunk size *on each base file* before they are compared, since
smaller chunks always deduplicate better. gear64 is a threshold on a 64-bit
gear hash, i.e. a window of 64 bytes, with minimum 32 and maximum 256 KiB; FastCDC is pyfastcdc with
normalized chunking of level 1. Where data is so repetitive that a peer cannot be brought within 10 % of
our mean, its ratio carries a `?`: look at both columns.

A figure is the share of the edited file's bytes that lie in chunks which the base file does not have,
the mean over several draws of the edits. `ratio` divides by ours: above 1, the other stores more.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from pyfastcdc import FastCDC

from mvcd.chunking.chunker import cut_points
from mvcd.ids import ChunkId

Rng = np.random.Generator
Cutter = Callable[[bytes], list[int]]
Edit = Callable[[bytes, Rng], bytes]

MIN_SIZE, MAX_SIZE = 32 << 10, 256 << 10
"""Bytes; of gear64, whose best minimum is half the mean (rollsum-chunking, RESULTS.rst)."""

EDITS = 48
"""Places touched in a file of 64 MiB, which has 1,024 chunks: few edits fall into one chunk."""


def gear64(data: bytes) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, 64-bit hashes) in blocks, by doubling: 64 bytes of window in six steps."""
    table = np.random.default_rng(64).integers(0, 1 << 64, 256, dtype=np.uint64)
    block = 1 << 20
    for offset in range(0, len(data), block):
        lead = min(offset, 63)
        h = table[np.frombuffer(data, np.uint8)[offset - lead : offset + block]]
        for shift in (1, 2, 4, 8, 16, 32):
            h[shift:] += h[:-shift] << np.uint64(shift)
        yield offset, h[lead:]


def greedy(candidates: np.ndarray, size: int) -> list[int]:
    """Cut points under the minimum and the maximum from positions that may cut."""
    points: list[int] = []
    start = 0
    while size - start > MIN_SIZE:
        index = int(np.searchsorted(candidates, start + MIN_SIZE - 1))
        cap = min(start + MAX_SIZE, size)
        start = min(int(candidates[index]) + 1, cap) if index < len(candidates) else cap
        points.append(start)
    if start < size:
        points.append(size)
    return points


def cut_gear64(data: bytes, gap: int) -> list[int]:
    limit = np.uint64((1 << 64) // gap)
    found = [offset + np.flatnonzero(h < limit) for offset, h in gear64(data)]
    return greedy(np.concatenate(found), len(data))


def cut_fastcdc(data: bytes, min_size: int) -> list[int]:
    """Its masks move in powers of two, at 2^15.5 (46,340) and so on; the minimum fills the steps between."""
    avg_size = 46_340
    while avg_size < min_size:
        avg_size *= 2
    cutter = FastCDC(avg_size=avg_size, min_size=min_size, max_size=max(MAX_SIZE, avg_size))
    return [chunk.offset + chunk.length for chunk in cutter.cut_buf(data)]


def matched(cut: Callable[[bytes, int], list[int]], data: bytes, low: int, high: int) -> Cutter:
    """`cut` with the number between low and high that gives as many chunks as ours on `data`."""
    wanted = len(cut_points(data, final=True))
    for _ in range(10):
        middle = (low + high) // 2
        if len(cut(data, middle)) > wanted:
            low = middle
        else:
            high = middle
    return lambda edited: cut(edited, (low + high) // 2)


def ids(data: bytes, points: list[int]) -> Iterator[tuple[ChunkId, int]]:
    start = 0
    for point in points:
        yield ChunkId.of(memoryview(data)[start:point]), point - start
        start = point


def new_share(cut: Cutter, base: bytes, edited: bytes) -> float:
    known = {digest for digest, _ in ids(base, cut(base))}
    new = {digest: size for digest, size in ids(edited, cut(edited)) if digest not in known}
    return sum(new.values()) / len(edited)


# ---------------------------------------------------------------- base files


def bf16(size: int, rng: Rng) -> bytes:
    weights = rng.standard_normal(size // 2, dtype=np.float32) * 0.02
    return bytes((weights.view(np.uint32) >> 16).astype(np.uint16))


def sparse(size: int, rng: Rng) -> bytes:
    """FP32, nine tenths of it zeros."""
    values = rng.standard_normal(size // 4, dtype=np.float32)
    values[rng.random(len(values)) < 0.9] = 0
    return values.tobytes()


def lines(size: int, line: Callable[[int], str]) -> bytes:
    """Text of about `size` bytes."""
    text = io.StringIO()
    number = 0
    while text.tell() < size:
        text.write(line(number))
        number += 1
    return text.getvalue().encode()


def table(size: int, rng: Rng) -> bytes:
    values = rng.random(1 << 20)
    return lines(
        size,
        lambda i: (
            f"{i},{values[i & 1048575]:.4f},{values[i * 7 & 1048575]:.3f},{'cat' if i % 3 else 'dog'}\n"
        ),
    )


def labels(size: int, rng: Rng) -> bytes:
    """JSON lines with little entropy: two fields of few values, no number of the line."""
    values = rng.integers(0, 64, 1 << 20).tolist()
    return lines(
        size,
        lambda i: f'{{"label": "class-{values[i & 1048575]}", "split": "train", "weight": 1.0}}\n',
    )


def tarred(size: int, rng: Rng, *, changed: float = 0) -> bytes:
    """A tar of the standard library; some of its files get a line more, or are missing."""
    root = Path(sysconfig.get_path("stdlib"))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(root.rglob("*")):
            if path.suffix not in {".py", ".so", ".txt"} or "site-packages" in path.parts:
                continue
            content = path.read_bytes()
            draw = rng.random()
            if draw < changed / 4:
                continue
            if draw < changed:
                content = (
                    content[: len(content) // 2]
                    + b"# one line more\n"
                    + content[len(content) // 2 :]
                )
            info = tarfile.TarInfo(str(path.relative_to(root)))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
            if out.tell() > size:
                break
    return out.getvalue()


# ---------------------------------------------------------------- edits


def places(data: bytes, rng: Rng, count: int = EDITS) -> list[int]:
    """Ascending offsets, one in EDITS-thirds of a chunk's worth; fewer in smaller files."""
    count = max(2, count * len(data) >> 26)
    return sorted(rng.integers(0, len(data), count).tolist())


def spliced(data: bytes, offsets: list[int], change: Callable[[int], tuple[int, bytes]]) -> bytes:
    """At each offset, change(offset) says how many bytes go and what comes."""
    out = bytearray()
    done = 0
    for offset in offsets:
        if offset < done:
            continue
        gone, come = change(offset)
        out += data[done:offset] + come
        done = offset + gone
    return bytes(out + data[done:])


def insert_bytes(data: bytes, rng: Rng) -> bytes:
    return spliced(data, places(data, rng), lambda _: (0, rng.bytes(int(rng.integers(1, 100)))))


def delete_bytes(data: bytes, rng: Rng) -> bytes:
    return spliced(data, places(data, rng), lambda _: (int(rng.integers(1, 100)), b""))


def overwrite(data: bytes, rng: Rng) -> bytes:
    return spliced(data, places(data, rng), lambda _: (8, rng.bytes(8)))


def _line_starts(data: bytes, rng: Rng) -> list[int]:
    return [data.find(b"\n", place) + 1 for place in places(data, rng)]


def insert_rows(data: bytes, rng: Rng) -> bytes:
    return spliced(data, _line_starts(data, rng), lambda _: (0, b"0,0.5,0.25,new\n"))


def delete_rows(data: bytes, rng: Rng) -> bytes:
    return spliced(
        data,
        _line_starts(data, rng),
        lambda start: (max(0, data.find(b"\n", start) + 1 - start), b""),
    )


def append_rows(data: bytes, rng: Rng) -> bytes:
    return data + data[: len(data) // 3 : 7]


def reorder_rows(data: bytes, rng: Rng) -> bytes:
    """Runs of rows, about 1 MiB each, in another order."""
    starts = [
        0,
        *(data.find(b"\n", at) + 1 for at in range(1 << 20, len(data) - 4096, 1 << 20)),
        len(data),
    ]
    runs = [data[a:b] for a, b in pairwise(starts)]
    return b"".join(runs[i] for i in rng.permutation(len(runs)))


Scenario = tuple[str, Callable[[int, Rng], bytes], Edit]

SCENARIOS: list[Scenario] = [
    ("BF16, bytes inserted", bf16, insert_bytes),
    ("BF16, bytes deleted", bf16, delete_bytes),
    ("BF16, bytes overwritten", bf16, overwrite),
    ("sparse FP32, bytes inserted", sparse, insert_bytes),
    ("CSV, rows inserted", table, insert_rows),
    ("CSV, rows deleted", table, delete_rows),
    ("CSV, rows appended", table, append_rows),
    ("CSV, rows re-ordered", table, reorder_rows),
    ("JSON lines of few values, rows inserted", labels, insert_rows),
    ("JSON lines of few values, rows deleted", labels, delete_rows),
    (
        "tar of source files, 1 % of them edited",
        tarred,
        lambda _, rng: tarred(1 << 62, rng, changed=0.01),
    ),
]


def measure(scenario: Scenario, size: int, draws: int) -> dict[str, object]:
    name, make, edit = scenario
    base = make(size, np.random.default_rng(1))
    cutters: dict[str, Cutter] = {
        "ours": lambda data: cut_points(data, final=True),
        "gear64": matched(cut_gear64, base, 1 << 12, 1 << 18),
        "fastcdc": matched(cut_fastcdc, base, 1 << 13, 1 << 18),
    }
    edits = [edit(base, np.random.default_rng(100 + draw)) for draw in range(draws)]
    shares = {
        key: statistics.mean(new_share(cut, base, edited) for edited in edits)
        for key, cut in cutters.items()
    }
    means = {key: len(base) / len(cut(base)) for key, cut in cutters.items()}
    return {"scenario": name, "new": shares, "mean_size": means}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=64, help="MiB of each base file (default 64)")
    parser.add_argument(
        "--draws", type=int, default=5, help="edited files per scenario (default 5)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    results = []
    if not options.json:
        print(
            f"{'share of bytes stored anew':42}{'mean KiB':>9}{'ours':>8}{'gear64':>8}{'fastcdc':>8}  ratios"
        )
    for scenario in SCENARIOS:
        result = measure(scenario, options.size << 20, options.draws)
        results.append(result)
        if not options.json:
            print(_row(result), flush=True)
    if options.json:
        json.dump(results, sys.stdout, indent=2)
    return 0


def _row(result: dict) -> str:  # type: ignore[type-arg]
    new = result["new"]
    shares = "".join(f"{new[key]:8.2%}" for key in ("ours", "gear64", "fastcdc"))
    means = "".join(
        f"{result['mean_size'][key] / 1024:6.0f}" for key in ("ours", "gear64", "fastcdc")
    )
    ratios = " ".join(
        f"{new[key] / new['ours']:.2f}{_doubt(result, key)}" for key in ("gear64", "fastcdc")
    )
    return f"{result['scenario']:42}{means}{shares}  {ratios}"


def _doubt(result: dict, key: str) -> str:  # type: ignore[type-arg]
    sizes = result["mean_size"]
    return " " if abs(sizes[key] / sizes["ours"] - 1) < 0.1 else "?"


if __name__ == "__main__":
    sys.exit(main())
