"""The memory of a first commit, in processes of their own: what each file more may cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.memory import in_memory

FEW_FILES, MANY_FILES = 4200, 8400
"""More than the answers about names that are remembered (4096)."""
FILES_IN_DIRECTORY = 300
MAX_BYTES_PER_FILE = 400
"""It is 207. As objects, what a commit knew of a file took 1,600."""

COMMIT = """
import sys, tracemalloc
import mvc
from mvcd.repo.workspace import sorting
from mvcd.store import session
session.MAX_ROWS = sorting._KEPT_NAMES = 256  # what is bounded anyway does not count
with mvc.Repo.init(sys.argv[1], author="Test <test@example.org>") as repo:
    repo.add(".")
    tracemalloc.start()
    repo.commit("all")
    print(tracemalloc.get_traced_memory()[1])
"""


def peak(root: Path, count: int) -> int:
    """Bytes that Python had at most during the first commit of so many files."""
    for number in range(count):
        directory = root / "data" / f"{number // FILES_IN_DIRECTORY:04}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:06}.txt").write_text(f"{number:200}")
    ran = subprocess.run(
        [sys.executable, "-c", COMMIT, str(root)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.thorough
def test_a_file_more_takes_few_bytes() -> None:
    with in_memory() as few, in_memory() as many:
        more = peak(many, MANY_FILES) - peak(few, FEW_FILES)
    assert more < MAX_BYTES_PER_FILE * (MANY_FILES - FEW_FILES)
