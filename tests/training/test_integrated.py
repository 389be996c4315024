"""The libraries themselves, recorded by mvc: what rotation deleted is in a version, byte for byte.

pip install torch==2.13.0 && pip install -e '.[dev,trainers]' && pytest -m trainers

Each training runs with the integration, and again with nothing of mvc in it but `mvc.autolog()`. No daemon
watches it, so the program makes the versions itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.daemons import content, versions
from tests.support.workspace import Bench

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(600)]

PROGRAM = Path(__file__).with_name("integrated_projects.py")
MODULES = {"checkpoint_io": "lightning"}
SAVES_NOTHING = {"xgboost", "lightgbm"}
"""What of autolog is recorded without a model, for these do not write one."""


@pytest.mark.parametrize("how", ["explicit", "auto"])
@pytest.mark.parametrize(
    "library",
    [
        "transformers",
        "lightning",
        "checkpoint_io",
        "keras",
        "accelerate",
        "sklearn",
        "xgboost",
        "lightgbm",
    ],
)
def test_every_checkpoint_is_a_version(library: str, how: str, tmp_path: Path) -> None:
    if (library, how) == ("sklearn", "auto"):
        pytest.skip("scikit-learn tells nobody that it trains")
    if (library, how) == ("checkpoint_io", "auto"):
        pytest.skip("autolog adds a logger, not a plugin")
    if importlib.util.find_spec(MODULES.get(library, library)) is None:
        pytest.skip(f"{library} is not installed")
    with Bench(tmp_path / "project") as bench:
        bench.save({"train.py": PROGRAM.read_bytes()})
        environment = {
            **os.environ, "MVC_AUTHOR": "Ada <ada@example.org>", "KERAS_BACKEND": "torch",
            "MVC_RUNTIME_DIR": str(tmp_path / "no-daemon"), "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }  # fmt: skip
        trained = subprocess.run(
            [sys.executable, "train.py", library, how],
            cwd=bench.root, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert trained.returncode == 0, trained.stderr
        said = json.loads(trained.stdout.splitlines()[-1])
        held = {
            (file.path, hashlib.sha256(content(bench, file.path, version.id.hex())).hexdigest())
            for version in versions(bench)
            for file in bench.repo.ls(version.id.hex())
        }
        assert said["saved"] or (how == "auto" and library in SAVES_NOTHING)
        for checkpoint in said["saved"]:
            assert (checkpoint["path"], checkpoint["sha256"]) in held
        last = versions(bench)[-1].version
        assert said["metric"] in last.metrics
        axes = {"step", "timestamp", "epoch"} & last.metrics.keys()
        assert not axes or library == "transformers", "its trainer_state.json has them too"
        for key, value in said["settings"].items():
            assert last.hyperparameters[key] == value
        if said["points"]:
            (found,) = bench.repo.series([said["metric"]], steps=True)
            points = {str(int(point.step)): point.value for point in found.points}
            assert points == pytest.approx(said["points"], rel=1e-3)
