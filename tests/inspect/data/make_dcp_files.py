"""Writes the checkpoints below `dcp/`. Run with torch 2.13.0: `python make_dcp_files.py`.

Two processes save tensors that are sharded by rows, by columns, unevenly, or not at all. `dcp.json` holds what
torch says of each at the first step (dtype, shape, SHA-256 by rows); at the next `rows.weight` is one more.
`zstd` went through torch's extension that compresses.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from torch.distributed.checkpoint import FileSystemWriter
from torch.distributed.checkpoint._extension import ZStandard
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

HERE = Path(__file__).parent / "dcp"
NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}


def whole(step: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {
        "rows.weight": torch.randn(6, 4) + step,
        "uneven.weight": torch.randn(5, 3).bfloat16(),
        "columns.weight": torch.randn(3, 8),
        "bias": torch.arange(4),
        "turned": torch.randn(3, 5).t(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


PLACED = {
    "rows.weight": Shard(0),
    "uneven.weight": Shard(0),
    "columns.weight": Shard(1),
    "bias": Replicate(),
}


def save(rank: int, step: int) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611"}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    state: dict[str, object] = {"epoch": step, "notes": {"a": [1, 2]}}
    model: dict[str, torch.Tensor | DTensor] = {}
    for name, tensor in whole(step).items():
        placed = PLACED.get(name)
        model[name] = tensor if placed is None else distribute_tensor(tensor, mesh, [placed])
    dcp.save(state | {"model": model}, checkpoint_id=HERE / f"step{step}")
    dist.destroy_process_group()


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    for step in (0, 1):
        mp.spawn(save, args=(step,), nprocs=2)
    packed = FileSystemWriter(HERE / "zstd", _extensions=[ZStandard()])
    dcp.save({"model": {"w": torch.arange(6.0).reshape(2, 3)}}, storage_writer=packed)
    answers = {
        f"model.{name}": [
            NAMES[t.dtype],
            list(t.shape),
            hashlib.sha256(
                t.contiguous().flatten().view(torch.uint8).numpy().tobytes() if t.numel() else b""
            ).hexdigest(),
        ]
        for name, t in whole(0).items()
    }
    (HERE / "dcp.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
