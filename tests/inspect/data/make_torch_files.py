"""Writes the torch fixtures beside it. Run with torch 2.13.0 and numpy: `python make_torch_files.py`.

The files are what torch itself wrote; the tests read them without torch. `expected.json` holds what torch
says of each tensor, by key path, so that the golden names are not our own opinion.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent


def small_model() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))


def trained() -> dict[str, object]:
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()
    return {
        "epoch": 2,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state()[:64].clone(),
        "history": [0.5, 0.25],
    }


def all_dtypes() -> dict[str, torch.Tensor]:
    names = (
        "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool "
        "complex64 complex128 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu"
    ).split()
    ones = torch.ones(2, 3)
    return {name: ones.to(getattr(torch, name)) for name in names}


def odd_views() -> dict[str, object]:
    base = torch.arange(24, dtype=torch.float32)
    tied = torch.randn(3, 2)
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    return {
        "slice": base[4:8],
        "same.slice": base[8:],
        "tied.a": tied,
        "tied.b": tied,
        "transposed": torch.randn(3, 5).t(),
        "channels_last": image,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "data/0": torch.ones(2),
        "sparse": torch.eye(3).to_sparse(),
        "nested": [{"x": torch.ones(1, 1, 7)}, (torch.zeros(2),)],
    }


def describe(value: object, path: str = "") -> dict[str, dict[str, object]]:
    """Key path -> dtype, shape, SHA-256 of the elements in row order; dicts, lists and tuples only."""
    if isinstance(value, torch.Tensor) and not value.is_sparse:
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8)
        return {
            path: {
                "dtype": str(value.dtype),
                "shape": list(value.shape),
                "sha256": hashlib.sha256(flat.numpy().tobytes()).hexdigest(),
            }
        }
    parts: list[tuple[object, object]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, (list, tuple)):
        parts = list(enumerate(value))
    below: dict[str, dict[str, object]] = {}
    for key, child in parts:
        below |= describe(child, f"{path}.{key}" if path else str(key))
    return below


def main() -> None:
    objects = {
        "checkpoint.pt": trained(),
        "dtypes.pt": all_dtypes(),
        "views.pt": odd_views(),
        "tensor.pt": torch.arange(6, dtype=torch.int32).reshape(2, 3),
    }
    for name, value in objects.items():
        torch.save(value, HERE / name)
    torch.save(small_model(), HERE / "module.pt")
    torch.save(small_model().state_dict(), HERE / "protocol5.pt", pickle_protocol=5)
    torch.save({"w": torch.ones(3)}, HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    objects["module.pt"] = objects["protocol5.pt"] = small_model().state_dict()
    expected = {name: describe(value) for name, value in objects.items()}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
