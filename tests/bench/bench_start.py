"""How long people wait for the verbs of every minute in a small repository, against `python -c pass` and git.

Claims are about CPU time, since these commands do nothing else, and wall time on a busy machine says little.

--size is how many versions the repository has whose whole `log` is measured.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main

VERBS = ("--version", "status", "log", "diff", "show", "branch")
_MAKE = """
import sys
import mvc
repo = mvc.Repo.init(".", author="bench <bench@example.invalid>")
for number in range(int(sys.argv[1])):
    files = {
        "metrics.json": b'{"acc": 0.%d, "loss": %d.5}' % (number, number),
        "params.yaml": b"lr: 0.%d\\nepochs: 3\\n" % number,
    }
    repo.write("runs", files, f"version {number}", author="bench <bench@example.invalid>")
repo.switch("runs")
repo.close()
"""


def body(bench: Bench) -> None:
    programs = bench.programs
    small, long = bench.scratch / "small", bench.scratch / "long"
    for place, count in ((small, 5), (long, bench.size)):
        place.mkdir()
        programs.python.run("-c", _MAKE, str(count), cwd=place, settle=False)
    history = bench.scratch / "git"
    shutil.copytree(small, history, ignore=shutil.ignore_patterns(".mvc"))
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "bench")):
        programs.git.run(*words, cwd=history, settle=False)

    def python(_: Path) -> Mapping[str, Cost]:
        return {"python -c pass": programs.python.run("-c", "pass", cwd=small, settle=False)}

    def mvc(_: Path) -> Mapping[str, Cost]:
        found = {f"mvc {v}": programs.mvc.run(v, cwd=small, settle=False) for v in VERBS}
        with (small / "params.yaml").open("a") as file:
            file.write("note: again\n")
        words = ("commit", "-m", "again")
        found["mvc commit"] = programs.mvc.run(*words, cwd=small, settle=False)
        found["mvc log, whole"] = programs.mvc.run("log", cwd=long, settle=False)
        return found

    def git(_: Path) -> Mapping[str, Cost]:
        return {"git status": programs.git.run("status", cwd=history, settle=False)}

    def dvc(directory: Path) -> Mapping[str, Cost]:
        return {"dvc --version": programs.dvc.run("--version", cwd=directory, settle=False)}

    subjects = {"python": python, "mvc": mvc, "git": git, "dvc": dvc}
    rounds = interleave(subjects, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds)

    def longer(name: str, most: float) -> None:
        bench.at_most(
            f"`{name}`: CPU time, times that of `python -c pass`",
            most, "x", lambda: rounds.cpu_ratio(name, "python -c pass"),
        )  # fmt: skip

    bench.at_most(
        "`mvc --version`: wall time more than `python -c pass`",
        60, "ms", lambda: 1000 * rounds.difference("mvc --version", "python -c pass"),
    )  # fmt: skip
    for verb in ("status", "log", "branch"):
        longer(f"mvc {verb}", 5)
    for verb in ("diff", "show"):
        longer(f"mvc {verb}", 6)
    longer("mvc commit", 8)
    if bench.size == 1000:
        longer("mvc log, whole", 8)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1000", quick="20", rounds=21))
