"""Many small files: the first commit of them, their way back, and asking whether anything changed.

commit   --size files of 1 to 4 KiB (half JSON, half noise), `mvc add` + `commit` against `dvc add`
         + `dvc commit`, each tree made anew for every round.
restore  the same files written from a version that has them where none was, `mvc checkout`, verified and
         durable, against `git checkout` and `restic restore`, which are neither.
diff     the version of those files against the one before, of which one file differs: `mvc diff HEAD~1`
         against `git diff --stat HEAD~1`.
status   a clean tree of the same files, `mvc status` against `git status`, both warmed up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

import data
from measure import Cost, Unmeasured, interleave
from peers import said
from report import Bench, main


def commit(bench: Bench) -> None:
    """First commit."""
    programs = bench.programs

    def mvc(directory: Path) -> Mapping[str, Cost]:
        programs.mvc.init(directory)
        data.make("small", directory / "data", bench.size)
        return programs.mvc.save(directory)

    def dvc(directory: Path) -> Mapping[str, Cost]:
        programs.dvc.init(directory)
        data.make("small", directory / "data", bench.size)
        added = programs.dvc.add(directory, "data")
        return {"dvc add": added, "dvc add + commit": added + programs.dvc.commit(directory)}

    rounds = interleave(
        {"mvc": mvc, "dvc": dvc}, rounds=min(bench.rounds, 3), scratch=bench.scratch
    )
    bench.keep_rounds(rounds)
    bench.at_least(
        f"First commit of {bench.size} small files: times faster than `dvc add` + `dvc commit`",
        5.0,
        "x",
        partial(rounds.ratio, "dvc add + commit", "mvc add + commit"),
    )


def restore(bench: Bench) -> None:
    """Files from a version. Each program goes to and fro in a tree of its own."""
    programs = bench.programs

    @cache
    def mvc_tree() -> tuple[Path, str, str]:
        tree = bench.scratch / "restore-mvc"
        tree.mkdir()
        programs.mvc.init(tree)
        (tree / "note.txt").write_text("before the files\n")
        programs.mvc.add(tree)
        empty = said(programs.mvc.commit(tree))["version"]
        data.make("small", tree / "data", bench.size)
        return tree, empty, said(programs.mvc.commit(tree))["version"]

    def mvc(_: Path) -> Mapping[str, Cost]:
        programs.mvc.found()
        tree, empty, full = mvc_tree()
        programs.mvc.checkout(tree, empty)
        if (tree / "data").exists():
            raise Unmeasured("mvc checkout of the version before left the files where they were")
        return {"mvc checkout": programs.mvc.checkout(tree, full)}

    @cache
    def git_tree() -> Path:
        programs.git.found()
        tree = bench.scratch / "restore-git"
        tree.mkdir()
        (tree / "note.txt").write_text("before the files\n")
        programs.git.save(tree)
        data.make("small", tree / "data", bench.size)
        programs.git.save(tree)
        return tree

    def git(_: Path) -> Mapping[str, Cost]:
        tree = git_tree()
        programs.git.checkout(tree, "HEAD~1")
        return {"git checkout": programs.git.checkout(tree, "-")}

    @cache
    def restic_repository() -> Path:
        programs.restic.found()
        tree = bench.scratch / "restore-restic"
        data.make("small", tree / "data", bench.size)
        programs.restic.backup(tree, tree / "data")
        return tree / "restic"

    def restic(directory: Path) -> Mapping[str, Cost]:
        return {"restic restore": programs.restic.restore(restic_repository(), directory / "back")}

    rounds = interleave(
        {"mvc": mvc, "git": git, "restic": restic}, rounds=bench.rounds, scratch=bench.scratch
    )
    bench.keep_rounds(rounds)
    for peer in ("git checkout", "restic restore"):
        bench.at_most(
            f"Verified, durable checkout of {bench.size} small files: wall time against `{peer}`",
            0.8,
            "x",
            partial(rounds.ratio, "mvc checkout", peer),
        )


def diff(bench: Bench) -> None:
    """One change among all. The trees are made once; each program has one of its own."""
    programs = bench.programs

    def changed(tree: Path) -> None:
        data.append(tree / "data" / "0000" / "000001.bin", b"changed")

    @cache
    def mvc_tree() -> Path:
        programs.mvc.found()
        tree = bench.scratch / "diff-mvc"
        tree.mkdir()
        programs.mvc.init(tree)
        data.make("small", tree / "data", bench.size)
        programs.mvc.save(tree)
        changed(tree)
        programs.mvc.commit(tree)
        return tree

    @cache
    def git_tree() -> Path:
        programs.git.found()
        tree = bench.scratch / "diff-git"
        data.make("small", tree / "data", bench.size)
        programs.git.save(tree)
        changed(tree)
        programs.git.save(tree)
        return tree

    rounds = interleave(
        {
            "mvc": lambda _: {"mvc diff": programs.mvc.diff(mvc_tree(), "HEAD~1")},
            "git": lambda _: {"git diff": programs.git.diff(git_tree(), "HEAD~1")},
        },
        rounds=bench.rounds,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds)
    bench.at_most(
        f"`diff HEAD~1` of one change among {bench.size} small files",
        0.3,
        "s",
        partial(rounds.wall, "mvc diff"),
    )
    bench.at_most(
        f"Peak memory of that `diff` among {bench.size} small files",
        100,
        "MiB",
        partial(rounds.peak, "mvc diff", per=data.MIB),
    )


def status(bench: Bench) -> None:
    """Clean status. The trees are made once; each program has one of its own, of the same files."""
    programs = bench.programs

    @cache
    def mvc_tree() -> Path:
        programs.mvc.found()
        tree = bench.scratch / "status-mvc"
        tree.mkdir()
        programs.mvc.init(tree)
        data.make("small", tree / "data", bench.size)
        programs.mvc.save(tree)
        if not said(programs.mvc.status(tree))["clean"]:
            raise Unmeasured("mvc status: not clean right after a commit")
        return tree

    @cache
    def git_tree() -> Path:
        programs.git.found()
        tree = bench.scratch / "status-git"
        data.make("small", tree / "data", bench.size)
        programs.git.save(tree)
        programs.git.status(tree)
        return tree

    rounds = interleave(
        {
            "mvc": lambda _: {"mvc status": programs.mvc.status(mvc_tree())},
            "git": lambda _: {"git status": programs.git.status(git_tree())},
        },
        rounds=bench.rounds * 2,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds)
    bench.at_most(
        f"Clean status of {bench.size} small files: wall time against `git status`",
        2.0,
        "x",
        partial(rounds.ratio, "mvc status", "git status"),
    )


def body(bench: Bench) -> None:
    commit(bench)
    restore(bench)
    diff(bench)
    status(bench)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="100000", quick="5000", unit=4 * data.KIB))
