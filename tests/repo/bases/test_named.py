"""What a config.json says a model was made from, whatever else it may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvcd.repo.bases.named import lies_in, named_beside


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (json.dumps({"_name_or_path": "./models/llama-base/"}), "llama-base"),
        (json.dumps({"_name_or_path": "meta-llama/Llama-3"}), "Llama-3"),
        (json.dumps({"_name_or_path": ""}), ""),
        (json.dumps({"_name_or_path": 3}), ""),
        (json.dumps({"model_type": "llama"}), ""),
        ("[]", ""),
        ("{", ""),
        ("[" * 100_000, ""),
        ("\xff", ""),
    ],
)
def test_the_name_beside_a_model(config: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(config.encode("latin-1"))
    assert named_beside(str(tmp_path / "model.safetensors")) == name


def test_no_config(tmp_path: Path) -> None:
    assert named_beside(str(tmp_path / "model.safetensors")) == ""


def test_where_a_file_lies() -> None:
    assert lies_in("models/llama-base/model.safetensors", "llama-base")
    assert lies_in("llama-base/sharded/1.safetensors", "llama-base")
    assert not lies_in("llama-base", "llama-base")
    assert not lies_in("other/model.safetensors", "llama-base")
    assert not lies_in("model.safetensors", "")
