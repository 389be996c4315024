"""What the checkpoints of training runs take in the store, however they are laid out.

The runs are real: where this Python has torch, a GPT that learns text (gpt.py), else a small network in numpy
(series.py). What changes is what training changes. Each save is a commit, each peer saves the same files at the
same moments, and beside all stands a floor (floor.py). Shares are disk space by raw size.

series      BF16 weights, FP32 weights, FP32 weights with both moments of Adam: each saved over the last one, or
            in a directory of its own as `checkpoint-20/model.safetensors`, the way most trainers do
fine-tunes  a model and four that were made from it, each under a name of its own
cast        a BF16 copy beside its FP32 master, in one commit and in two, either of them first: the share of the
            copy alone, after `mvc optimize`
"""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import truediv
from pathlib import Path

from measure import Unmeasured, allocated
from report import Bench, main

CHECKPOINTS = 13
TUNES = 4
SERIES = {
    "BF16 weights": {"bf16-": "model.safetensors"},
    "FP32 weights": {"": "model.safetensors"},
    "FP32 weights and Adam": {"": "model.safetensors", "adam-": "optimizer.safetensors"},
}
ABOVE_FLOOR = {"BF16 weights": 1.25, "FP32 weights": 1.12, "FP32 weights and Adam": 1.12}
"""Times the floor: what three levels and no more cost, the most where steps are small; and the codec."""


@dataclass(frozen=True)
class File:
    """One that is saved: where, which one of those that were made, and what it may be a difference to."""

    path: str
    made: str
    bases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Saves one after another; a path that comes again is overwritten."""

    title: str
    saves: list[list[File]] = field(default_factory=list)


def series(title: str, *, apart: bool) -> Layout:
    layout = Layout(f"{title}, {'a directory each' if apart else 'over the last one'}")
    for number in range(1, CHECKPOINTS + 1):
        place = f"checkpoint-{number * 40}/" if apart else ""
        before = [f"{number - 1:03}"] if number > 1 else []
        layout.saves.append(
            [
                File(place + name, f"{kind}{number:03}", tuple(kind + b for b in before))
                for kind, name in SERIES[title].items()
            ]
        )
    return layout


def fine_tunes(kind: str) -> Layout:
    base = f"{kind}{CHECKPOINTS:03}"
    layout = Layout(f"{'BF16' if kind else 'FP32'} model and {TUNES} fine-tunes, a name each")
    layout.saves.append([File("base/model.safetensors", base)])
    for number in range(1, TUNES + 1):
        path = f"tune-{'abcd'[number - 1]}/model.safetensors"
        layout.saves.append([File(path, f"{kind}tune-{number}", (base,))])
    return layout


def _gpt_width(parameters: int) -> int:
    """The multiple of its heads' width with which gpt.py has at most so many: 72 w^2 + 8,256 w, about."""
    width = (math.sqrt(8256**2 + 4 * 72 * parameters) - 8256) / (2 * 72)
    return max(64, int(width) // 64 * 64)


class Made:
    """The checkpoints of one run."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.folder = bench.scratch / "made"
        self.folder.mkdir()
        if importlib.util.find_spec("torch"):
            program, width = "gpt.py", _gpt_width(bench.size // (CHECKPOINTS * 4))
        else:
            bench.note("no torch here, so a small network is trained: pip install torch")
            program, width = "series.py", math.isqrt(bench.size // (CHECKPOINTS * 4 * 4))
        script = Path(__file__).with_name(program)
        argv = [sys.executable, script, self.folder, str(CHECKPOINTS), str(width)]
        subprocess.run(argv, check=True)

    def path(self, made: str) -> Path:
        return self.folder / f"{made}.safetensors"

    def raw(self, layout: Layout) -> int:
        return sum(self.path(f.made).stat().st_size for save in layout.saves for f in save)

    def floor(self, layout: Layout) -> float:
        """Share of raw."""
        asked = [
            [str(self.path(f.made)), [str(self.path(b)) for b in f.bases]]
            for save in layout.saves
            for f in save
        ]
        script = Path(__file__).with_name("floor.py")
        said = subprocess.run(
            [sys.executable, script], input=json.dumps(asked), stdout=subprocess.PIPE, text=True,
            check=True,
        )  # fmt: skip
        return float(sum(json.loads(said.stdout))) / self.raw(layout)

    def saved(self, layout: Layout, begin: Callable[[Path], Callable[[int], int]]) -> float:
        """Share of raw that a program takes. `begin` makes a repository for a workspace; what it returns saves
        the workspace for the n-th time and returns the bytes that were added."""
        workspace = self.bench.scratch / "series"
        workspace.mkdir()
        try:
            save = begin(workspace)
            total = 0
            for number, files in enumerate(layout.saves):
                for file in files:
                    (workspace / file.path).parent.mkdir(exist_ok=True)
                    shutil.copyfile(self.path(file.made), workspace / file.path)
                total += save(number)
            return total / self.raw(layout)
        finally:
            shutil.rmtree(workspace)

    def optimized(self, layout: Layout) -> int:
        """Bytes of mvc's packs after all saves, and `mvc optimize`."""
        mvc, packs = self.bench.programs.mvc, 0

        def begin(workspace: Path) -> Callable[[int], int]:
            save = self.mvc(workspace)

            def last(number: int) -> int:
                nonlocal packs
                added = save(number)
                if number == len(layout.saves) - 1:
                    mvc.run("-C", workspace, "optimize", cwd=workspace)
                    packs = sum(map(allocated, (workspace / ".mvc").rglob("*.pack")))
                return added

            return last

        self.saved(layout, begin)
        return packs

    def mvc(self, workspace: Path) -> Callable[[int], int]:
        mvc = self.bench.programs.mvc
        mvc.init(workspace)

        def save(_number: int) -> int:
            mvc.add(workspace)
            return mvc.commit(workspace).stored or 0

        return save

    def dvc(self, workspace: Path) -> Callable[[int], int]:
        dvc = self.bench.programs.dvc
        dvc.init(workspace)
        names = [".dvc", ".dvcignore"]

        def save(_number: int) -> int:
            found = sorted(p.name for p in workspace.iterdir() if p.name not in names)
            return sum(dvc.add(workspace, n).stored or 0 for n in found if not n.endswith(".dvc"))

        return save

    def restic(self, workspace: Path) -> Callable[[int], int]:
        repository = self.bench.scratch / "restic-series"
        shutil.rmtree(repository, ignore_errors=True)
        restic = self.bench.programs.restic
        restic.create(repository)
        return lambda _number: restic.add(repository, workspace).stored or 0

    def borg(self, workspace: Path) -> Callable[[int], int]:
        repository = self.bench.scratch / "borg-series"
        shutil.rmtree(repository, ignore_errors=True)
        borg = self.bench.programs.borg
        borg.begin(repository)
        return lambda number: borg.add(repository, workspace, str(number)).stored or 0

    def patches(self, layout: Layout) -> float:
        """Share of raw of `zstd --patch-from`, which is told the base of each file."""
        zstd, out = self.bench.programs.zstd, self.bench.scratch / "patch"
        total = 0
        for file in (f for save in layout.saves for f in save):
            zstd.patch(self.path(file.made), [self.path(b) for b in file.bases[:1]], out)
            total += allocated(out)
            out.unlink()
        return total / self.raw(layout)


def compared(bench: Bench, made: Made, layout: Layout) -> dict[str, float]:
    """Shares by program, those that are here."""
    shares = {"floor": made.floor(layout), "mvc": made.saved(layout, made.mvc)}
    ways = {
        "zstd --patch-from": partial(made.patches, layout),
        "restic": partial(made.saved, layout, made.restic),
        "borg": partial(made.saved, layout, made.borg),
        "dvc": partial(made.saved, layout, made.dvc),
    }
    for name, way in ways.items():
        try:
            shares[name] = way()
        except Unmeasured as error:
            bench.note(f"{name}: {error}")
    told = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    bench.note(f"{layout.title}: {told}")
    return shares


def claims(bench: Bench, title: str, shares: dict[str, float], above_floor: float) -> None:
    ratio = partial(truediv, shares["mvc"], shares["floor"])
    bench.at_most(f"Stored: {title}", above_floor, "x the floor", ratio)
    others = {n: share for n, share in shares.items() if n not in ("mvc", "floor")}
    for name, share in others.items():
        bench.at_most(f"Stored: {title}", 0.95, f"x {name}", partial(truediv, shares["mvc"], share))


def cast(bench: Bench, made: Made) -> None:
    newest = f"{CHECKPOINTS:03}"
    master = File("model.safetensors", newest)
    copy = File("model.bf16.safetensors", f"bf16-{newest}", (newest,))
    alone = made.optimized(Layout("", [[master]]))
    raw = made.path(copy.made).stat().st_size
    ways = {
        "in one commit": [[master, copy]],
        "the copy first": [[copy], [master]],
        "the master first": [[master], [copy]],
    }
    for way, saves in ways.items():
        title = f"BF16 beside its FP32 master, {way}"
        share = (made.optimized(Layout("", saves)) - alone) / raw
        bench.note(f"{title}: {share:.3f} of the copy")
        bench.at_most(f"Stored: {title}", 0.02, "of the copy", partial(float, share))


def body(bench: Bench) -> None:
    made = Made(bench)
    for title, limit in ABOVE_FLOOR.items():
        same = made.saved(series(title, apart=False), made.mvc)
        shares = compared(bench, made, series(title, apart=True))
        claims(bench, title, shares, limit)
        ratio = partial(truediv, shares["mvc"], same)
        bench.at_most(f"Stored: {title}, a directory each", 1.02, "of the same path", ratio)
    for kind, limit in (("bf16-", 1.2), ("", 1.1)):
        layout = fine_tunes(kind)
        claims(bench, layout.title, compared(bench, made, layout), limit)
    cast(bench, made)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="400MiB", quick="32MiB"))
