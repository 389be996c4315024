"""Which paths are one model at several moments, and which of them speaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.checkpoints import family_of, leading, rank_of


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["out/checkpoint-9/model.safetensors", "out/checkpoint-10/model.safetensors", "out/model.safetensors"],
        ["out/checkpoint-9/config.json", "out/checkpoint-10/config.json", "out/config.json"],
        ["out/checkpoint-9/optimizer.pt", "out/checkpoint-10/optimizer.pt"],
        ["epoch=9-step=99.ckpt", "epoch=10-val_loss=0.12.ckpt", "last.ckpt"],
        ["v/version_2/checkpoints/last.ckpt", "v/version_10/checkpoints/epoch=1-step=2.ckpt"],
        ["models/best.keras", "models/last.weights.h5"],
        ["weights.05-0.12.h5", "weights.06-0.11.h5"],
        ["model_best.pth.tar", "checkpoint.pth.tar"],
        ["a/step_500.pt", "a/step_1000.pt", "a/model_final.pt"],
        ["gan/generator_epoch_3.pt", "gan/generator_epoch_12.pt"],
        ["out/step-5/model-00001-of-00002.safetensors", "out/model-00001-of-00002.safetensors"],
        ["exp/2026-01-31/best_model/model.pt", "exp/2026-02-01/model.pt"],
    ],
)  # fmt: skip
def test_checkpoints_of_one_model(oldest_first: list[str]) -> None:
    assert len(set(map(family_of, oldest_first))) == 1
    assert sorted(oldest_first, key=rank_of) == oldest_first
    assert leading(oldest_first) == {oldest_first[-1]: oldest_first[-2::-1]}


@pytest.mark.parametrize(
    "apart",
    [
        ["resnet18.pt", "resnet50.pt"],
        ["fold_1/model.pt", "fold_2/model.pt"],
        ["generator_epoch_3.pt", "discriminator_epoch_3.pt"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ["a/model.safetensors", "b/model.safetensors"],
        ["out/model.safetensors", "out/model.onnx"],
        ["adapter_model.safetensors", "model.safetensors"],
        ["data/step_1.csv", "data/step_2.csv"],
        ["stepwise.pt", "deep_learning.pt", "lasting.pt"],
        ["out/checkpoint-1/optimizer.pt", "out/checkpoint-1/scheduler.pt"],
    ],
)
def test_what_is_not_one_model(apart: list[str]) -> None:
    assert leading(apart) == {path: [] for path in apart}


@given(st.lists(st.text("ab1/.-_=step0"), unique=True))
def test_each_path_speaks_or_is_spoken_for(paths: list[str]) -> None:
    found = leading(paths)
    assert sorted([*found, *(path for others in found.values() for path in others)]) == sorted(
        paths
    )
