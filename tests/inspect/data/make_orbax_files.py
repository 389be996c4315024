"""Writes checkpoints below `orbax/`: of version 2 and 3 of zarr, and OCDBT. Run with orbax-checkpoint 0.12.8.

`orbax.json` holds what was saved of each array (dtype, shape, SHA-256 in row order). Of a directory only what
is read is kept: `_METADATA`, and the arrays' own files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

HERE = Path(__file__).parent / "orbax"
NAMES = {"float32": "F32", "bfloat16": "BF16", "int64": "I64", "int32": "I32"}
TREE = {
    "params": {
        "dense": {"kernel": jnp.arange(12.0).reshape(3, 4), "bias": jnp.ones(4, jnp.bfloat16)},
        "blocks": [jnp.zeros((2, 5)), jnp.arange(6, dtype=jnp.int32).reshape(2, 3)],
    },
    "numbers": np.arange(3),
}
KINDS = {
    "zarr2": {"use_ocdbt": False},
    "zarr3": {"use_ocdbt": False, "use_zarr3": True},
    "ocdbt": {"use_ocdbt": True},
}


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    for kind, options in KINDS.items():
        made = HERE / kind
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)).save(made, TREE)
        for path in made.iterdir():
            kept = path.name == "_METADATA" or path.name.startswith(("params", "numbers"))
            if not kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    flat = {
        "params.dense.kernel": TREE["params"]["dense"]["kernel"],
        "params.dense.bias": TREE["params"]["dense"]["bias"],
        "params.blocks.0": TREE["params"]["blocks"][0],
        "params.blocks.1": TREE["params"]["blocks"][1],
        "numbers": TREE["numbers"],
    }
    answers = {
        name: [
            NAMES[str(array.dtype)],
            list(array.shape),
            hashlib.sha256(np.asarray(array).tobytes()).hexdigest(),
        ]
        for name, array in flat.items()
    }
    (HERE / "orbax.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
