"""The command line run in this process, and small experiments to run it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUTHOR = "Ada Lovelace <ada@example.org>"


@dataclass(frozen=True)
class Ran:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Mvc = Callable[..., Ran]
"""Runs `mvc WORDS...`, for instance `mvc("log", "-n", "1")`; see the fixture."""


def write(directory: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


FIRST: dict[str, str | bytes] = {
    "model.py": "layers = 2\n",
    "model.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
    "params.yaml": "lr: 0.1\nepochs: 3\n",
    "data/train.csv": "x,y\n1,2\n",
    "metrics.json": '{"val": {"accuracy": 0.5}}\n',
}
"""A file of each component."""

SECOND: dict[str, str | bytes] = {
    "model.py": "layers = 3\n",
    "params.yaml": "lr: 0.05\nepochs: 3\n",
    "data/more.csv": "x,y\n3,4\n",
    "metrics.json": '{"val": {"accuracy": 0.75, "loss": NaN}}\n',
}
