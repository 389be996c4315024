"""Settings that transformers wrote down whole, and those among them that somebody chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.repo.compare.dumped import background
from tests.support.workspace import Bench

ARGUMENTS = (Path(__file__).parents[2] / "inspect/data/recorded/training_args.bin").read_bytes()


def chosen(bench: Bench) -> set[str]:
    """Of the last version."""
    side = bench.repo.sides("v0", "HEAD").new
    settings = side.version.hyperparameters
    found = background(bench.repo._core, side, settings)
    assert found <= settings.keys() and len(settings) > 60
    return settings.keys() - found


def save(bench: Bench, path: str, text: str) -> None:
    bench.save({"out/training_args.bin": ARGUMENTS, path: text})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("train.py", "TrainingArguments(learning_rate=3e-4,\n  save_steps = 10)"),
        ("run.sh", "python run_clm.py --learning_rate 3e-4 --save-steps 10"),
        (
            "nb.ipynb",
            '{"cells": [{"cell_type": "code", "source": ["a(learning_rate=1, save_steps=10)"]}]}',
        ),
        ("args.py", "ARGUMENTS = {'learning_rate': 3e-4, \"save_steps\": 10}"),
    ],
)
def test_what_a_source_sets(bench: Bench, path: str, text: str) -> None:
    save(bench, path, text)
    found = chosen(bench)
    assert found == {"learning_rate", "save_steps"}


def test_a_comparison_sets_nothing(bench: Bench) -> None:
    save(bench, "train.py", "max_steps = 3\nif learning_rate == 1 or seed: pass")
    assert chosen(bench) == {"max_steps"}


def test_other_files_are_chosen_whole(bench: Bench) -> None:
    save(bench, "train.py", "Trainer(seed=1)")
    bench.save({"params.yaml": "width: 3\nadam_beta1: 0.5\n"})
    found = chosen(bench)
    assert {"width", "adam_beta1", "seed"} <= found, (
        "of two files that have a key, the user's counts"
    )
    assert "adam_beta2" not in found


def test_without_sources_what_is_off_is_background(bench: Bench) -> None:
    bench.save({"out/training_args.bin": ARGUMENTS})
    found = chosen(bench)
    assert {"learning_rate", "output_dir", "lr_scheduler_type"} <= found
    assert not found & {"bf16", "warmup_steps", "weight_decay"}


def test_the_command_counts(bench: Bench) -> None:
    bench.write({"out/training_args.bin": ARGUMENTS})
    bench.add()
    command = ("python", "run_clm.py", "--learning_rate", "1e-3")
    bench.repo.commit("m", context=bench.context(command=command))
    assert chosen(bench) == {"learning_rate"}


def test_a_version_without_such_a_file_has_no_background(bench: Bench) -> None:
    bench.save({"params.yaml": "lr: 0\n", "train.py": "lr=0"})
    side = bench.repo.sides("v0", "HEAD").new
    assert background(bench.repo._core, side, side.version.hyperparameters) == frozenset()
