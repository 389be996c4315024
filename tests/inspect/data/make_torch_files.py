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


def shared() -> dict[str, object]:
    """Several tensors to a storage, in all orders."""
    flat = torch.arange(60, dtype=torch.float32)
    weight = torch.randn(6, 4)
    image = torch.arange(48, dtype=torch.int16).reshape(2, 3, 2, 4)
    torch.manual_seed(3)
    return {
        "tied": {"emb": weight, "head": weight, "transposed": weight.t()},
        "flat": {"all": flat, "q": flat[:20], "k": flat[20:40].view(4, 5), "overlaps": flat[15:25]},
        "apart": {"b": flat.double()[30:], "a": flat.half()[:7]},
        "columns": weight[:, 1:3],
        "every.third": flat[::3],
        "expanded": torch.ones(3, 1).expand(3, 5),
        "unit": torch.ones(1, 3, 1, 2).permute(2, 3, 1, 0),
        "channels_last": image.to(memory_format=torch.channels_last),
        "fortran": torch.randn(3, 5, dtype=torch.float64).t().contiguous().t(),
        "complex": torch.randn(2, 3, dtype=torch.complex128).t(),
        "lstm": nn.LSTM(3, 2, num_layers=2).state_dict(),
        "parameter": nn.Parameter(flat[50:]),
        "ids": [*range(3000), torch.ones(1), *range(300)],
        "pairs": [(i, i * 1.5, None) for i in range(500)],
        "steps": {i: i / 2 for i in range(2000)},
        "after": torch.zeros(1, 2),
    }


def adamw() -> dict[str, object]:
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), amsgrad=True)
    model(torch.randn(5, 4)).square().sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}


class Odd(nn.Module):
    """Tied weights, one whose axes are turned, a buffer, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.emb.weight
        self.turned = nn.Parameter(torch.randn(3, 4).t())
        self.register_buffer("steps", torch.arange(3))
        self.constant = torch.ones(2, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.head(self.emb(x)) @ self.emb.weight @ self.turned
        return found + self.steps + self.constant.sum()


def exported(path: Path) -> dict[str, object]:
    torch.manual_seed(9)
    model = Odd().eval()
    torch.export.save(torch.export.export(model, (torch.tensor([1, 2]),)), path)
    return {**model.state_dict(), "constant": model.constant}


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
        "shared.pt": shared(),
        "adamw.pt": adamw(),
        "tensor.pt": torch.arange(6, dtype=torch.int32).reshape(2, 3),
    }
    for name, value in objects.items():
        torch.save(value, HERE / name)
    torch.save(small_model(), HERE / "module.pt")
    torch.save(small_model().state_dict(), HERE / "protocol5.pt", pickle_protocol=5)
    objects["exported.pt2"] = exported(HERE / "exported.pt2")
    for name, value in {"legacy.pt": trained(), "legacy_shared.pt": shared()}.items():
        torch.save(value, HERE / name, _use_new_zipfile_serialization=False)
        objects[name] = value
    objects["module.pt"] = objects["protocol5.pt"] = small_model().state_dict()
    expected = {name: describe(value) for name, value in objects.items()}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
