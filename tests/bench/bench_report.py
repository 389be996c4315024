"""A report of a repository, `mvc ui --export`: processor time by version, and bytes.

The history is that of bench_search: eight hyperparameters and eight metrics a version, ten shards of weights of
which each version changes one, a file of settings that changes every 1,000 versions. The peer is `mvc log
--json` of the same history, which reads as many records and writes each as a document; a report has besides of
each version its difference to its parent, its lists of files and tensors, and its lineage. Both are whole
processes. That a report takes as long for each version of a long history as of a short one is a claim of its
own, for a walk through all of history for each version stays unseen in a short one. --size is the number of
versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from bench_search import build
from measure import Cost, interleave
from report import Bench, main

LOGS = 30.0
"""Times of `mvc log --json` that a report may take."""
SHORTER = 4
GROWTH = 1.3
KIB = 24.0


def body(bench: Bench) -> None:
    programs, count = bench.programs, bench.size
    histories = {"whole": count, "short": count // SHORTER}
    for name, versions in histories.items():
        build(bench.scratch / name, versions)

    def report(scratch: Path) -> Mapping[str, Cost]:
        return {
            f"report {name}": programs.mvc.run(
                "--json", "ui", "--export", scratch / name, cwd=bench.scratch / name, settle=False
            )
            for name in histories
        }

    def log(_: Path) -> Mapping[str, Cost]:
        return {
            f"log {name}": programs.mvc.run(
                "log", "--json", "--all", cwd=bench.scratch / name, settle=False
            )
            for name in histories
        }

    rounds = interleave({"report": report, "log": log}, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds)
    said = f"a report of {count:,} versions"
    bench.at_most(
        f"processor time of {said}, in times of `mvc log --json`", LOGS, "x",
        lambda: rounds.cpu_ratio("report whole", "log whole"),
    )  # fmt: skip
    bench.at_most(
        f"processor time of {said} by version, in times of one of {count // SHORTER:,}", GROWTH, "x",
        lambda: rounds.cpu_ratio("report whole", "report short") / SHORTER,
    )  # fmt: skip
    bench.at_most(
        f"bytes of {said} by version", KIB, "KiB",
        lambda: json.loads(rounds.of("report whole")[0].output)["bytes"] / count / 1024,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1000", quick="200", rounds=3, unit=0))
