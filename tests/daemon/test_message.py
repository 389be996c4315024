"""What automatic versions say, from real differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mvcd.daemon.message import describe
from tests.support.workspace import Bench


def described(bench: Bench) -> str:
    return describe(bench.repo.diff("HEAD~1", "HEAD"))


def tensors(changed: int) -> bytes:
    return save({f"layer{n}": np.full(4, 9.0 if n < changed else n) for n in range(148)})


def test_tensors_and_metrics_are_told(tmp_path: Path) -> None:
    with Bench(tmp_path / "e") as bench:
        bench.save({"m.safetensors": tensors(0), "metrics.json": '{"val_acc": 0.91, "note": "a"}'})
        bench.save({"m.safetensors": tensors(2), "metrics.json": '{"val_acc": 0.93, "note": "a"}'})
        assert described(bench) == "weights: 2 of 148 tensors, metrics: val_acc 0.91 -> 0.93"


def test_files_settings_and_many_values(tmp_path: Path) -> None:
    with Bench(tmp_path / "e") as bench:
        bench.save({"params.json": '{"lr": 0.1}', "data/a.csv": "1", "train.py": "a"})
        many = ", ".join(f'"m{n}": {n}' for n in range(6))
        bench.save({"params.json": '{"lr": 0.01}', "data/b.csv": "2", "data/c.csv": "3",
                    "train.py": "b", "metrics.json": "{" + many + "}"})  # fmt: skip
        assert described(bench) == (
            "architecture: train.py changed, hyperparameters: lr 0.1 -> 0.01, data: 2 files added, "
            "metrics: m0 0, m1 1, m2 2 and 3 more"
        )


def test_text_of_strangers_stays_on_one_short_line(tmp_path: Path) -> None:
    with Bench(tmp_path / "e") as bench:
        bench.save({"params.json": "{}", "a": "1"})
        bench.save({"params.json": '{"note": "' + "long\\n" * 50 + '"}'})
        assert "\n" not in described(bench)
        assert len(described(bench)) < 80
