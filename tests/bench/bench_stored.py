"""What files take in the store: the disk space that their first commit added.

BF16 and FP32 weights (normally distributed, safetensors) are held against fixed shares of their raw
size; a CSV log and source code against `zstd -3` of each file as a whole, which sees further back
than one chunk does. That yardstick comes from the zstandard package that mvc itself uses. Then one row in a
thousand of the CSV log is edited, and what its next version takes is held against its raw size.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import data
import zstandard
from measure import Cost, interleave
from peers import said
from report import Bench, main


@dataclass(frozen=True)
class Case:
    """One kind of data and the most that it may take."""

    kind: str
    path: str
    text: str
    limit: float
    against_zstd: bool
    """Whether `limit` is a share of what `zstd -3` makes of it, or of its raw size."""


CASES = (
    Case("bf16", "model.safetensors", "BF16 weights", 0.68, against_zstd=False),
    Case("fp32", "model.safetensors", "FP32 weights", 0.85, against_zstd=False),
    Case("csv", "data/readings.csv", "CSV", 1.1, against_zstd=True),
    Case("sources", "src", "Source code", 1.1, against_zstd=True),
)


def sizes(place: Path) -> tuple[int, int]:
    """Raw bytes of all files at `place`, and their bytes after `zstd -3` of each."""
    compressor = zstandard.ZstdCompressor(level=3)
    raw = compressed = 0
    for path in [place] if place.is_file() else filter(Path.is_file, place.rglob("*")):
        size = path.stat().st_size
        with path.open("rb") as file:
            compressed += sum(map(len, compressor.read_to_iter(file, size=size)))
        raw += size
    return raw, compressed


def measure(bench: Bench, case: Case) -> None:
    """Commit one kind of data and state its claim."""
    mvc, workspace, name = bench.programs.mvc, bench.scratch / case.kind, f"mvc commit, {case.text}"
    raw, zstd = sizes(data.make(case.kind, workspace / case.path, bench.size))
    bench.note(f"{case.text}: {raw} bytes; zstd -3 of whole files: {zstd / raw:.4f} of that")

    def subject(_: Path) -> Mapping[str, Cost]:
        mvc.init(workspace)
        mvc.add(workspace)
        cost = mvc.commit(workspace)
        bench.note(f"{case.text}: bytes_stored {said(cost)['bytes_stored']}, disk {cost.stored}")
        return {name: cost}

    rounds = interleave({"mvc": subject}, rounds=1, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=raw)
    bench.at_most(
        f"Stored: {case.text}",
        case.limit,
        "of `zstd -3`" if case.against_zstd else "of raw",
        partial(rounds.stored, name, per=zstd if case.against_zstd else raw),
    )
    shutil.rmtree(workspace)


def edited(bench: Bench) -> None:
    """The next version of a CSV file of which one row in a thousand differs, and not always by its length."""
    mvc, workspace = bench.programs.mvc, bench.scratch / "edited"
    path = data.make("csv", workspace / "data" / "readings.csv", min(bench.size, 32 << 20))
    mvc.init(workspace)
    mvc.add(workspace)
    mvc.commit(workspace)
    rows = path.read_bytes().splitlines(keepends=True)
    for number in range(500, len(rows), 1000):
        rows[number] = rows[number][: number % 9] + b"edited" + rows[number][number % 9 :]
    path.write_bytes(b"".join(rows))
    raw = path.stat().st_size
    cost = mvc.commit(workspace)
    bench.at_most(
        "Stored: CSV, one row in a thousand edited",
        0.01,
        "of raw",
        lambda: (cost.stored or 0) / raw,
    )
    shutil.rmtree(workspace)


def body(bench: Bench) -> None:
    for case in CASES:
        measure(bench, case)
    edited(bench)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="256MiB", quick="32MiB"))
