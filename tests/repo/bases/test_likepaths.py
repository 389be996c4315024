"""Which of many paths is the likest."""

from __future__ import annotations

import pytest

from mvcd.repo.bases.likepaths import distance, form_of, name_of


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("checkpoint-30/model.safetensors", "checkpoint-20/model.safetensors"),
        ("checkpoint-11/model.safetensors", "checkpoint-10/model.safetensors"),
        ("checkpoint-30/optimizer.pt", "checkpoint-20/optimizer.pt"),
        ("best/model.safetensors", "checkpoint-20/model.safetensors"),
        ("checkpoint-10/ema.safetensors", "checkpoint-10/model.safetensors"),
    ],
)
def test_the_likest_path(path: str, nearest: str) -> None:
    others = [
        f"checkpoint-{n}/{name}" for n in (10, 20) for name in ("model.safetensors", "optimizer.pt")
    ]
    assert min(others, key=lambda other: distance(path, other)) == nearest


def test_what_a_series_has_in_common() -> None:
    assert form_of("run7/checkpoint-30/model.pt") == form_of("run8/checkpoint-400/model.pt")
    assert name_of("run7/checkpoint-30/model.pt") == name_of("model.pt") == "model.pt"
