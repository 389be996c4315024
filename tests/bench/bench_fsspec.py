"""How fast files of a version are read through fsspec (`mvc://`), without a checkout.

sequence  a program that reads a BF16 safetensors file of --size from front to back, and drops it,
          against `mvc checkout` of that file, which writes it besides, with all cores.
piece     4 MiB from the middle of a file, by a program that has read another piece before.

Both are verified: every byte comes of a chunk whose digest was checked.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import data
import measure
from measure import Cost, interleave
from peers import Mvc, said
from report import Bench, main

_NAME = "model.safetensors"
_PIECE_BYTES = 4 << 20
_SEQUENCE = """
import sys, fsspec
buffer, done = bytearray(4 << 20), 0
with fsspec.open(sys.argv[1]) as file:
    while count := file.readinto(buffer):
        done += count
assert done == int(sys.argv[2])
"""
_PIECE = """
import sys, time, fsspec
size, piece = int(sys.argv[2]), int(sys.argv[3])
fs = fsspec.filesystem("mvc")
fs.cat_file(sys.argv[1], 0, 1000)
started = time.perf_counter()
assert len(fs.cat_file(sys.argv[1], size // 2, size // 2 + piece)) == piece
print(time.perf_counter() - started)
"""


def program(mvc: Mvc, text: str, *arguments: str | int, cwd: Path) -> Cost:
    """Run a Python program that has mvc installed."""
    measure.settle(mvc.memory)
    return measure.run([sys.executable, "-c", text, *map(str, arguments)], cwd=cwd, env=mvc.env)


def body(bench: Bench) -> None:
    mvc = bench.programs.mvc
    workspace = bench.scratch / "workspace"
    workspace.mkdir()
    mvc.init(workspace)
    (workspace / "note.txt").write_text("before the model\n")
    mvc.add(workspace)
    empty = said(mvc.commit(workspace))["version"]
    size = data.make("bf16", workspace / _NAME, bench.size).stat().st_size
    version = said(mvc.commit(workspace))["version"]
    url = f"mvc://{workspace}@{version}/{_NAME}"

    def sequence(directory: Path) -> Mapping[str, Cost]:
        return {"fsspec": program(mvc, _SEQUENCE, url, size, cwd=directory)}

    def piece(directory: Path) -> Mapping[str, Cost]:
        cost = program(mvc, _PIECE, url, size, _PIECE_BYTES, cwd=directory)
        return {"4 MiB of it": replace(cost, wall=float(cost.output))}

    def checkout(_: Path) -> Mapping[str, Cost]:
        mvc.checkout(workspace, empty)
        return {"mvc checkout": mvc.checkout(workspace, version)}

    subjects = {"fsspec": sequence, "piece": piece, "checkout": checkout}
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=size)
    bench.at_least(
        "Reading a file through fsspec: speed against `mvc checkout`",
        0.5,
        "x",
        partial(rounds.ratio, "mvc checkout", "fsspec"),
    )
    bench.at_most(
        "4 MiB of a file through fsspec",
        50,
        "ms",
        lambda: 1000 * median(cost.wall for cost in rounds.costs["4 MiB of it"]),
    )


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="4GiB", quick="128MiB"))
