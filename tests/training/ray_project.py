"""Ray Tune and Ray Train with their storage in a branch: `python ray_project.py BARE`, a repository.

The last line of output is a JSON document: the text of each one's newest checkpoint, read back through Ray.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

import fsspec
import pyarrow.fs
import ray
import ray.train.torch
import ray.tune

STEPS = 2


def trial(config: dict[str, Any]) -> None:
    for step in range(STEPS):
        with tempfile.TemporaryDirectory() as place:
            Path(place, "model.bin").write_text(f"{config['lr']} {step}")
            checkpoint = ray.tune.Checkpoint.from_directory(place)
            ray.tune.report({"loss": config["lr"] * (STEPS - step)}, checkpoint=checkpoint)


def loop() -> None:
    for step in range(STEPS):
        with tempfile.TemporaryDirectory() as place:
            Path(place, "w.bin").write_text(f"trained {step}")
            Path(place, "state.bin").write_text(f"state {step}")
            checkpoint = ray.train.Checkpoint.from_directory(place)
            ray.train.report({"loss": 1 - step / STEPS}, checkpoint=checkpoint)


def text(checkpoint: Any, name: str) -> str:
    with checkpoint.as_directory() as place:
        return Path(place, name).read_text()


if __name__ == "__main__":
    where: dict[str, Any] = {
        "storage_path": f"{sys.argv[1]}@runs",
        "storage_filesystem": pyarrow.fs.PyFileSystem(
            pyarrow.fs.FSSpecHandler(fsspec.filesystem("mvc"))
        ),
    }
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    tuned = ray.tune.Tuner(
        trial,
        param_space={"lr": ray.tune.grid_search([0.1, 0.2])},
        run_config=ray.tune.RunConfig(name="tuned", **where),
    ).fit()
    again = ray.tune.Tuner.restore(
        f"{sys.argv[1]}@runs/tuned", trial, storage_filesystem=where["storage_filesystem"]
    )
    trained = ray.train.torch.TorchTrainer(
        loop,
        scaling_config=ray.train.ScalingConfig(num_workers=1),
        run_config=ray.train.RunConfig(name="trained", **where),
    ).fit()
    found = {
        "tuned": text(tuned.get_best_result("loss", "min").checkpoint, "model.bin"),
        "restored": sorted(result.metrics["loss"] for result in again.get_results()),
        "trained": text(trained.checkpoint, "w.bin"),
    }
    ray.shutdown()
    print(json.dumps(found))
