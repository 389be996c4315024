"""Mutated files of every format: no crash, no hang over 10 s, less than 300 MiB.

The full campaign is 300,000 files: `pytest -m campaign tests/inspect/test_mutations.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS, KIB = 10, 300 << 10
BATCH = 10_000


@pytest.mark.parametrize(
    "count",
    [2000, pytest.param(300_000, marks=[pytest.mark.campaign, pytest.mark.timeout(4 * 3600)])],
)
def test_no_reader_dies_hangs_or_fills_memory(count: int, tmp_path: Path) -> None:
    note = tmp_path / "number"
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        command = [sys.executable, "-m", "tests.support.mutating", str(first), str(size), str(note)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"file {note.read_text()}: {done.returncode}\n{done.stderr[-3000:]}"
        )
        found = json.loads(done.stdout)
        assert found["slowest"][0] < SECONDS, found
        assert found["peak"] < KIB, found
