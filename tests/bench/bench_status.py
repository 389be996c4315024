"""Looking whether anything changed: the scan alone, in a process of its own, against `git status`.

--size small files, once in 200 directories and once in a single one. The scan is what `mvc status` does
on a clean tree before it speaks: it lists every directory and compares with the stat cache, whose rows
come from a file of rows (`scan`) or from a store (`scan + store`). `python` is an interpreter that only
starts; it is part of both. `bench_small_files.py` has the figure of the whole command.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main

_DIRECTORIES = 200
_CLEAN_SCAN = (
    "found = scan(sys.argv[1], tracked=['.'], workspace=b'bench', rows=rows, now_ns=time.time_ns())"
)
_FROM_FILE = f"""
import pickle, sys, time
from mvcd.repo.workspace.scan import scan
kept = pickle.load(open(sys.argv[2], "rb"))
rows = lambda keys: [kept.get(key) for key in keys]
{_CLEAN_SCAN}
sys.exit(not found.clean)
"""
_FROM_STORE = f"""
import sys, time
from mvcd.repo.workspace.scan import scan
from mvcd.store.lmdb_store import LmdbStore
with LmdbStore.open(sys.argv[2]) as store:
    rows = store.cache_get
    {_CLEAN_SCAN}
sys.exit(not found.clean)
"""


def prepare(tree: Path, *, files: int, directories: int) -> None:
    """The files, and beside the tree the rows of a scan that found them all clean."""
    from mvcd.repo.workspace.scan import CandidateOutcome, scan
    from mvcd.store.lmdb_store import LmdbStore

    for number in range(files):
        folder = tree / f"{number % directories:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"sample-{number:06d}.json").write_text(f'{{"label": {number}}}\n' * 100)
    found = scan(
        str(tree),
        tracked=["."],
        workspace=b"bench",
        rows=lambda keys: [None] * len(keys),
        now_ns=time.time_ns() + 10**10,  # as if asked ten seconds later: no file is racy
    )
    rows = found.new_rows({c.path: CandidateOutcome.CLEAN for c in found.candidates}, missing=())
    tree.with_suffix(".rows").write_bytes(pickle.dumps(rows))
    with LmdbStore.create(tree.with_suffix(".store")) as store:
        store.cache_put(rows)


def shape(bench: Bench, name: str, *, directories: int) -> None:
    programs, tree = bench.programs, bench.scratch / name
    prepare(tree, files=bench.size, directories=directories)
    git_tree = bench.scratch / f"{name}-git"
    prepare(git_tree, files=bench.size, directories=directories)
    programs.git.save(git_tree)
    programs.git.status(git_tree)

    def python(title: str, *arguments: str | Path) -> Mapping[str, Cost]:
        return {f"{title} {name}": programs.python.run("-c", *arguments, cwd=tree, settle=False)}

    rounds = interleave(
        {
            "scan": lambda _: python("scan", _FROM_FILE, tree, tree.with_suffix(".rows")),
            "scan+store": lambda _: python(
                "scan+store", _FROM_STORE, tree, tree.with_suffix(".store")
            ),
            "git": lambda _: {f"git {name}": programs.git.status(git_tree)},
            "python": lambda _: python("python", "pass"),
        },
        rounds=bench.rounds * 2,
        scratch=bench.scratch,
    )
    bench.keep_rounds(rounds)
    for subject in ("scan", "scan+store"):
        bench.at_most(
            f"{subject} of {bench.size} clean files, {name}: wall time against `git status`",
            1.5,
            "x",
            partial(rounds.ratio, f"{subject} {name}", f"git {name}"),
        )


def body(bench: Bench) -> None:
    shape(bench, "many-directories", directories=_DIRECTORIES)
    shape(bench, "one-directory", directories=1)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="100000", quick="5000"))
