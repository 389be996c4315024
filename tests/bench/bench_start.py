"""How long a person waits before `mvc` does anything: `mvc --version` against `python -c pass`.

--size has no meaning here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main


def body(bench: Bench) -> None:
    programs = bench.programs

    def python(directory: Path) -> Mapping[str, Cost]:
        return {"python -c pass": programs.python.run("-c", "pass", cwd=directory, settle=False)}

    def mvc(directory: Path) -> Mapping[str, Cost]:
        return {"mvc --version": programs.mvc.run("--version", cwd=directory, settle=False)}

    def dvc(directory: Path) -> Mapping[str, Cost]:
        return {"dvc --version": programs.dvc.run("--version", cwd=directory, settle=False)}

    rounds = interleave(
        {"python": python, "mvc": mvc, "dvc": dvc}, rounds=bench.rounds, scratch=bench.scratch
    )
    bench.keep_rounds(rounds)
    bench.at_most(
        "`mvc --version`: wall time more than `python -c pass`",
        60,
        "ms",
        lambda: 1000 * rounds.difference("mvc --version", "python -c pass"),
    )


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1", quick="1", rounds=21))
