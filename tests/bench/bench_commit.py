"""How long a commit of one large file takes, first and after an edit; what edits add on disk.

fresh    a BF16 safetensors file of --size, committed into a new repository, against `cp` + `sync`
         of it, `dvc add`, `restic backup`, `borg create -C zstd,1`. Against `dvc add`, which also
         starts to track, our `add` + `commit` is counted; against the others `commit` alone. The
         file is in the page cache for all of them, as it is right after training wrote it.
second   the same file after one per cent of it was changed in place, against `dvc add` of the same.
next     a checkpoint in which all weights moved a little, after the one before was committed, against
         `cp` + `sync` of it. It is stored as a difference, so the one before is read too.
others   an FP32 file of --size, and a BF16 file of 87 MiB (a small model), fresh, against the same.
edits    a plain file of --size without structure: one byte changed, 1 KiB inserted, 1 KiB appended.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import data
from measure import Cost, interleave
from report import Bench, main

_NAME = "model.safetensors"
_SMALL_MODEL = 87 * data.MIB


def fresh(bench: Bench, source: Path) -> None:
    """First commit."""
    programs = bench.programs

    def mvc(directory: Path) -> Mapping[str, Cost]:
        programs.mvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        return programs.mvc.save(directory)

    def dvc(directory: Path) -> Mapping[str, Cost]:
        programs.dvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        return {"dvc add": programs.dvc.add(directory, _NAME)}

    rounds = interleave(
        {
            "mvc": mvc,
            "cp": lambda at: {"cp + sync": programs.shell.copy_durably(source, at / _NAME)},
            "dvc": dvc,
            "restic": lambda at: {"restic backup": programs.restic.backup(at, source)},
            "borg": lambda at: {"borg create": programs.borg.create(at, source)},
        },
        rounds=bench.rounds,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    bench.at_most(
        "Fresh durable commit: wall time against `cp` + `sync`",
        0.6,
        "x",
        partial(rounds.ratio, "mvc commit", "cp + sync"),
    )
    for peer, ours, limit in (
        ("dvc add", "mvc add + commit", 3.0),
        ("restic backup", "mvc commit", 2.5),
        ("borg create", "mvc commit", 2.0),
    ):
        bench.at_least(
            f"Fresh durable commit: times faster than `{peer}`",
            limit,
            "x",
            partial(rounds.ratio, peer, ours),
        )


def second(bench: Bench, source: Path) -> None:
    """Commit after an edit of one per cent in place."""
    programs = bench.programs

    def mvc(directory: Path) -> Mapping[str, Cost]:
        programs.mvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        programs.mvc.save(directory)
        data.nudge(directory / _NAME, fraction=0.01, seed=2)
        return {"mvc commit, 1 % edited": programs.mvc.commit(directory)}

    def dvc(directory: Path) -> Mapping[str, Cost]:
        programs.dvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        programs.dvc.add(directory, _NAME)
        data.nudge(directory / _NAME, fraction=0.01, seed=2)
        return {"dvc add, 1 % edited": programs.dvc.add(directory, _NAME)}

    rounds = interleave(
        {"mvc": mvc, "dvc": dvc},
        rounds=bench.rounds,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    bench.at_most(
        "Commit after a 1 % edit in place: wall time against `dvc add`",
        0.2,
        "x",
        partial(rounds.ratio, "mvc commit, 1 % edited", "dvc add, 1 % edited"),
    )


def next_checkpoint(bench: Bench, before: Path) -> None:
    """Commit of what a training run writes next."""
    mvc, after = bench.programs.mvc, before.with_name("next.safetensors")
    data.step(before, after)

    def subject(directory: Path) -> Mapping[str, Cost]:
        mvc.init(directory)
        shutil.copyfile(before, directory / _NAME)
        mvc.save(directory)
        shutil.copyfile(after, directory / _NAME)
        return {"mvc commit, next checkpoint": mvc.commit(directory)}

    _against_a_copy(bench, "mvc commit, next checkpoint", subject, after, limit=1.2)
    after.unlink()


def fresh_alone(bench: Bench, kind: str, size: int, *, limit: float) -> None:
    """First commit of another file."""
    mvc, source = bench.programs.mvc, bench.scratch / "source" / f"{kind}.safetensors"
    data.make(kind, source, size)
    name = f"mvc commit, {kind.upper()} {size // data.MIB} MiB"

    def subject(directory: Path) -> Mapping[str, Cost]:
        mvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        return {name: mvc.save(directory)["mvc commit"]}

    _against_a_copy(bench, name, subject, source, limit=limit)
    source.unlink()


def _against_a_copy(
    bench: Bench,
    name: str,
    subject: Callable[[Path], Mapping[str, Cost]],
    source: Path,
    *,
    limit: float,
) -> None:
    copy = f"cp + sync beside {name.removeprefix('mvc ')}"
    rounds = interleave(
        {
            "mvc": subject,
            "cp": lambda at: {copy: bench.programs.shell.copy_durably(source, at / _NAME)},
        },
        rounds=bench.rounds,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    ratio = partial(rounds.ratio, name, copy)
    bench.at_most(f"`{name}`: wall time against `cp` + `sync`", limit, "x", ratio)


def edits(bench: Bench) -> None:
    """What the smallest edits of a plain file add to the store."""
    mvc, middle = bench.programs.mvc, bench.size // 2
    every: dict[str, Callable[[Path], None]] = {
        "1-byte edit": lambda plain: data.flip_byte(plain, at=middle + 12_345),
        "1 KiB insert": lambda plain: data.insert(plain, b"\x5a" * data.KIB, at=middle // 2 + 1),
        "1 KiB append": lambda plain: data.append(plain, b"\xa5" * data.KIB),
    }

    def subject(directory: Path) -> Mapping[str, Cost]:
        mvc.init(directory)
        plain = data.make("random", directory / "corpus.dat", bench.size)
        mvc.save(directory)
        costs = {}
        for name, edit in every.items():
            edit(plain)
            costs[f"mvc commit, {name}"] = mvc.commit(directory)
        return costs

    rounds = interleave({"mvc": subject}, rounds=1, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=bench.size)
    for name in every:
        bench.at_most(
            f"{name} in a plain file: added on disk",
            1.0,
            "MiB",
            partial(rounds.stored, f"mvc commit, {name}", per=data.MIB),
        )


def body(bench: Bench) -> None:
    source = data.make("bf16", bench.scratch / "source" / _NAME, bench.size)
    fresh(bench, source)
    second(bench, source)
    next_checkpoint(bench, source)
    fresh_alone(bench, "fp32", bench.size, limit=0.9)
    fresh_alone(bench, "bf16", min(bench.size, _SMALL_MODEL), limit=1.5)
    shutil.rmtree(source.parent)
    edits(bench)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1GiB", quick="128MiB", unit=4))
