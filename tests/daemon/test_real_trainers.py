"""transformers and Lightning with `mvc watch` alone, beside four busy processes a core.

pip install torch==2.13.0 && pip install -e '.[dev,trainers]' && pytest -m trainers
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.daemons import Daemon, versions
from tests.support.busy import busy
from tests.support.engine import Repository
from tests.support.workspace import Bench

Make = Callable[..., Bench]

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1200)]

SAVES = 6


@pytest.mark.parametrize("name", ["transformers", "lightning"])
def test_every_checkpoint_that_stood_for_three_seconds_is_a_version(
    daemon: Daemon, workspace: Make, name: str
) -> None:
    bench = workspace(limits="[watch]\nsettle = 2\n")
    daemon.watch(bench)
    daemon.sync(bench)
    program = Path(__file__).with_name("real_trainers.py")
    with busy():
        trained = subprocess.run(
            [sys.executable, str(program), name, bench.path("out"), str(SAVES)],
            cwd=bench.root, capture_output=True, text=True,
        )  # fmt: skip
        assert trained.returncode == 0, trained.stderr
        daemon.sync(bench, timeout=120)
    stood = {
        str(Path(line).relative_to(bench.root))
        for line in trained.stdout.splitlines()
        if line.startswith("/")
    }
    assert len(stood) == SAVES, trained.stdout
    held: list[set[str]] = []
    with Repository.open(str(bench.root)) as repo:
        for entry in versions(bench):
            paths = {f.path for f in repo.ls(entry.id.hex()) if f.path.startswith("out/")}
            depth = 2 if name == "transformers" else 3
            held.append({"/".join(p.split("/")[:depth]) for p in paths} & stood)
    print([v.version.message.partition("\n")[0] for v in versions(bench)])
    assert set().union(*held) == stood, daemon.report(bench)["ledger"]
    assert max(map(len, held)) == 1, "each version has its own checkpoint only"
    assert daemon.report(bench)["ledger"]["missed"] == 0
    assert versions(bench)[-1].version.provenance.command[0] == "real_trainers.py"
