"""What grows with the number of files and of versions, and what must not.

files      the memory of the first commit of --size small files (a million: --size 1000000). One of them
           changed: `mvc diff` against `mvc status` of the same tree; `mvc gc` after a commit of that file
           against the first, which looks at all.
versions   `log -n 20`, `status`, `show v3` and `gc` in a repository of a tenth as many versions against one of
           500; each repository is asked once before, so that what is learned once is learned.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import data
from bench_search import build
from measure import Cost, interleave
from report import Bench, main

FIRST_COMMIT_MIB = 400
FEW_VERSIONS = 500
FILES_TO_A_VERSION = 10
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "log -n 20": ("log", "-n", "20"),
    "status": ("status",),
    "show v3": ("show", "v3"),
    "gc": ("gc",),
}


def files(bench: Bench) -> None:
    mvc, tree = bench.programs.mvc, bench.scratch / "files"
    tree.mkdir()
    mvc.init(tree)
    data.make("small", tree / "data", bench.size)
    first = mvc.save(tree)["mvc commit"]
    bench.at_most(
        f"Peak memory of the first commit of {bench.size:,} files",
        FIRST_COMMIT_MIB,
        "MiB",
        lambda: first.peak / data.MIB,
    )
    changed = next(path for path in sorted((tree / "data").rglob("*")) if path.is_file())

    def look(_: Path) -> Mapping[str, Cost]:
        with changed.open("a") as file:
            file.write("more\n")
        return {
            "mvc status": mvc.status(tree),
            "mvc diff": mvc.run("diff", cwd=tree, settle=False),
        }

    def collect(_: Path) -> Mapping[str, Cost]:
        with changed.open("a") as file:
            file.write("more\n")
        mvc.commit(tree)
        return {"mvc gc, after a commit": mvc.run("gc", cwd=tree, settle=False)}

    whole = mvc.run("gc", cwd=tree, settle=False)
    rounds = interleave({"look": look, "gc": collect}, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds)
    bench.at_most(
        f"`mvc diff` of one changed file of {bench.size:,}: wall time against `mvc status`",
        1.5,
        "x",
        partial(rounds.ratio, "mvc diff", "mvc status"),
    )
    bench.at_most(
        f"`mvc gc` after a commit of one of {bench.size:,} files: wall time against the first",
        0.2,
        "x",
        lambda: rounds.wall("mvc gc, after a commit") / whole.wall,
    )
    peaks = [cost.peak for cost in rounds.of("mvc diff")]
    bench.at_most("Peak memory of that `mvc diff`", 200, "MiB", lambda: max(peaks) / data.MIB)


def versions(bench: Bench) -> None:
    mvc, many = bench.programs.mvc, max(2 * FEW_VERSIONS, bench.size // FILES_TO_A_VERSION)
    places = {count: bench.scratch / f"versions-{count}" for count in (FEW_VERSIONS, many)}
    for count, place in places.items():
        build(place, count)
        for words in QUESTIONS.values():
            mvc.run(*words, cwd=place, settle=False)

    def ask(count: int, _: Path) -> Mapping[str, Cost]:
        return {
            f"mvc {name}, {count:,} versions": mvc.run(*words, cwd=places[count], settle=False)
            for name, words in QUESTIONS.items()
        }

    rounds = interleave(
        {f"{count}": partial(ask, count) for count in places},
        rounds=bench.rounds,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds)
    for name in QUESTIONS:
        names = [f"mvc {name}, {count:,} versions" for count in (many, FEW_VERSIONS)]
        bench.at_most(
            f"`mvc {name}` with {many:,} versions: wall time against {FEW_VERSIONS}",
            2.0,
            "x",
            partial(rounds.ratio, *names),
        )


def body(bench: Bench) -> None:
    files(bench)
    versions(bench)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="200000", quick="5000", unit=4 * data.KIB))
