"""Ray Tune and Ray Train keep their results in a branch, and read them back.

pip install torch==2.13.0 && pip install -e '.[dev,trainers]' && pytest -m trainers
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(600)]

PROGRAM = Path(__file__).with_name("ray_project.py")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_results_and_checkpoints_are_files_of_a_branch(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    LmdbStore.create(bare).close()
    environment = {
        **os.environ, "MVC_AUTHOR": "Ada <ada@example.org>", "MVC_CONFIG": "",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), str(bare)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said == {"tuned": "0.1 1", "restored": [0.1, 0.2], "trained": "trained 1"}
    repo = mvc.Repo.open(bare)
    texts = {
        repo.read(row.path, "runs").decode() for row in repo.ls("runs") if row.path.endswith(".bin")
    }
    assert texts == {
        "0.1 0", "0.1 1", "0.2 0", "0.2 1", "trained 0", "trained 1", "state 0", "state 1",
    }  # fmt: skip
    repo.close()
