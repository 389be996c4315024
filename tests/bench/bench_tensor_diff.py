"""How fast all tensors of two versions are compared, end to end, and how much memory that takes.

Two versions of one BF16 safetensors file of --size, every tensor of which differs: once after a training step
(the second is stored as deltas of the first), once with other weights altogether. `mvc diff --tensors` finds,
decodes, verifies and compares them: the whole process, with start-up. Bytes are those of both sides.

numpy    the same figures of the same tensors in float64, from the two plain files in the page cache, a block
         of a million elements at a time; it decodes nothing and checks nothing
one      `mvc diff --tensors` of versions that differ in one element: what is equal is not read
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median

import data
from measure import Cost, interleave
from report import Bench, main

_NAME = "model.safetensors"
_SPEED = 1.0
_MEMORY = 300
_READER = """
import json, sys
import numpy as np
def tensors(path):
    with open(path, "rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
    data = np.memmap(path, np.uint8, "r", start)
    return {n: data[slice(*t["data_offsets"])].view("<u2") for n, t in header.items() if n != "__metadata__"}
def wide(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)
"""
_STEP = (
    _READER
    + """
rng = np.random.default_rng(3)
with open(sys.argv[1], "r+b") as file:
    start = 8 + int.from_bytes(file.read(8), "little")
    file.seek(start)
    for bits in tensors(sys.argv[1]).values():
        new = wide(bits) + rng.standard_normal(bits.size, np.float32) * np.float32(1e-4)
        word = new.view(np.uint32)
        file.write(((word + 0x7FFF + (word >> 16 & 1)) >> 16).astype("<u2").tobytes())
"""
)
_NUMPY = (
    _READER
    + """
old, new = tensors(sys.argv[1]), tensors(sys.argv[2])
for name, before in old.items():
    after, sums, sides, most, changed = new[name], np.zeros(5), [], 0.0, 0
    for at in range(0, before.size, 1 << 20):
        p, q = before[at : at + (1 << 20)], after[at : at + (1 << 20)]
        changed += np.count_nonzero(p != q)
        a, b = wide(p).astype("f8"), wide(q).astype("f8")
        d = b - a
        most = max(most, np.abs(d).max())
        sums += d @ d, a @ a, b @ b, a @ b, d.size
        sides.append((a.mean(), a.std(), b.mean(), b.std()))
        np.isnan(a).sum(), np.isnan(b).sum(), np.isinf(a).sum(), np.isinf(b).sum()
"""
)


def versions(bench: Bench, workspace: Path, first: Path, second: Path) -> None:
    """A repository with the two files as v1 and v2, and v3: v2 less one element."""
    mvc = bench.programs.mvc
    workspace.mkdir()
    mvc.init(workspace)
    shutil.copyfile(first, workspace / _NAME)
    mvc.add(workspace)
    mvc.commit(workspace)
    shutil.copyfile(second, workspace / _NAME)
    mvc.commit(workspace)
    with (workspace / _NAME).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    mvc.commit(workspace)


def body(bench: Bench) -> None:
    programs, scratch = bench.programs, bench.scratch
    first = data.make("bf16", scratch / "first.safetensors", bench.size)
    seconds = {"other": data.make("bf16", scratch / "other.safetensors", bench.size, seed=2)}
    seconds["step"] = scratch / "step.safetensors"
    shutil.copyfile(first, seconds["step"])
    programs.python.run("-c", _STEP, seconds["step"], cwd=scratch)
    for kind, second in seconds.items():
        versions(bench, scratch / kind, first, second)

    def diff(name: str, kind: str, old: str, new: str) -> Mapping[str, Cost]:
        words = ("diff", old, new, "--tensors", "--json")
        return {name: programs.mvc.run(*words, cwd=scratch / kind, settle=False)}

    def numpy(_: Path) -> Mapping[str, Cost]:
        paths = first, seconds["step"]
        return {"numpy": programs.python.run("-c", _NUMPY, *paths, cwd=scratch, settle=False)}

    subjects = {
        "step": lambda _: diff("mvc, a training step", "step", "v1", "v2"),
        "other": lambda _: diff("mvc, other weights", "other", "v1", "v2"),
        "one": lambda _: diff("mvc, one element", "step", "v2", "v3"),
        "numpy": numpy,
    }
    rounds = interleave(subjects, rounds=bench.rounds, scratch=scratch)
    both = 2 * first.stat().st_size
    bench.keep_rounds(rounds, raw=both)
    for kind in ("a training step", "other weights"):
        costs = rounds.costs.get(f"mvc, {kind}", [])
        figure = partial(_speed, costs, both)
        bench.at_least(f"Tensor diff, {kind}: input per CPU-second", _SPEED, "GB/s", figure)
        ratio = partial(rounds.ratio, "numpy", f"mvc, {kind}")
        bench.at_least(f"Tensor diff, {kind}: speed against numpy", 1.0, "x", ratio)
    every = [cost for costs in rounds.costs.values() for cost in costs if cost.output]
    peak = partial(lambda: max(cost.peak for cost in every) / data.MIB)
    bench.at_most("Tensor diff: peak memory", _MEMORY, "MiB", peak)


def _speed(costs: list[Cost], size: int) -> float:
    return size / median(cost.cpu for cost in costs) / 1e9


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="2GiB", quick="64MiB", rounds=3))
