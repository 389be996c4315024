"""What the checkpoints of one training run take in the store: each saved over the last one, or in a directory
of its own as `checkpoint-20/model.safetensors`, the way most trainers do.

The run is real (series.py): a network learns with Adam, so what changes is what training changes. Checkpoints
of BF16 weights, FP32 weights, and FP32 weights with both moments of Adam are committed one by one. The store's
growth as a share of their raw size is noted; one layout is held against the other.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from functools import partial
from operator import truediv
from pathlib import Path

from measure import Cost
from report import Bench, main

CHECKPOINTS = 8
SERIES = {
    "BF16 weights": {"bf16-": "model.safetensors"},
    "FP32 weights": {"": "model.safetensors"},
    "FP32 weights and Adam": {"": "model.safetensors", "adam-": "optimizer.safetensors"},
}


def stored(bench: Bench, made: Path, files: dict[str, str], *, apart: bool) -> float:
    """Commits a series and returns the disk space it took as a share of its raw size."""
    mvc, workspace = bench.programs.mvc, bench.scratch / "series"
    workspace.mkdir()
    mvc.init(workspace)
    costs: list[Cost] = []
    raw = 0
    for number in range(1, CHECKPOINTS + 1):
        place = workspace / (f"checkpoint-{number * 40}" if apart else "")
        place.mkdir(exist_ok=True)
        for prefix, name in files.items():
            shutil.copyfile(made / f"{prefix}{number:03}.safetensors", place / name)
            raw += (place / name).stat().st_size
        if number == 1:
            mvc.add(workspace)
        costs.append(mvc.commit(workspace))
    shutil.rmtree(workspace)
    return sum(cost.stored or 0 for cost in costs) / raw


def body(bench: Bench) -> None:
    width = math.isqrt(bench.size // (CHECKPOINTS * 4 * 4))
    made = bench.scratch / "made"
    made.mkdir()
    program = Path(__file__).with_name("series.py")
    subprocess.run([sys.executable, program, made, str(CHECKPOINTS), str(width)], check=True)
    for title, files in SERIES.items():
        same = stored(bench, made, files, apart=False)
        apart = stored(bench, made, files, apart=True)
        bench.note(
            f"{title}: {same:.3f} of raw saved over the last one, {apart:.3f} in directories of their own"
        )
        ratio = partial(truediv, apart, same)
        bench.at_most(f"Stored: {title}, a directory each", 1.02, "of the same path", ratio)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="256MiB", quick="64MiB"))
