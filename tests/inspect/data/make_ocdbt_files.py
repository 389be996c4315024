"""Writes databases of TensorStore below `ocdbt/`. Run with orbax-checkpoint 0.12.8 and tensorstore 0.1.86.

`zarr2` and `zarr3` are checkpoints as Orbax writes them by default. The others are databases with small nodes,
so that trees have inner ones: `inner` in Zstandard, `plain` not compressed, `empty` without a key. `ocdbt.json`
holds what was saved of each array (dtype, shape, SHA-256 in row order), and of the others what TensorStore
reads of each key.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import tensorstore as ts

HERE = Path(__file__).parent / "ocdbt"
NAMES = {"float32": "F32", "bfloat16": "BF16", "int64": "I64", "int32": "I32"}
TREE = {
    "params": {
        "dense": {"kernel": jnp.arange(12.0).reshape(3, 4), "bias": jnp.ones(4, jnp.bfloat16)},
        "blocks": [jnp.zeros((200, 50)), jnp.arange(6, dtype=jnp.int32).reshape(2, 3)],
        "noise": jnp.asarray(np.random.default_rng(0).standard_normal((30, 20)), jnp.float32),
    },
    "numbers": np.arange(3),
}
FLAT = {
    "params.dense.kernel": TREE["params"]["dense"]["kernel"],
    "params.dense.bias": TREE["params"]["dense"]["bias"],
    "params.blocks.0": TREE["params"]["blocks"][0],
    "params.blocks.1": TREE["params"]["blocks"][1],
    "params.noise": TREE["params"]["noise"],
    "numbers": TREE["numbers"],
}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def database(name: str, compression: object) -> ts.KvStore:
    config = {
        "max_decoded_node_bytes": 400,
        "max_inline_value_bytes": 20,
        "compression": compression,
        "version_tree_arity_log2": 1,
    }
    base = {"driver": "file", "path": f"{HERE / name}/"}
    return ts.KvStore.open({"driver": "ocdbt", "base": base, "config": config}).result()


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    answers: dict[str, object] = {
        "arrays": {
            name: [NAMES[str(array.dtype)], list(array.shape), digest(np.asarray(array).tobytes())]
            for name, array in FLAT.items()
        }
    }
    for kind, options in (("zarr2", {}), ("zarr3", {"use_zarr3": True})):
        made = HERE / kind
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=True, **options)).save(made, TREE)
    for name, compression in (("inner", {"id": "zstd"}), ("plain", None)):
        store = database(name, compression)
        with ts.Transaction() as transaction:
            for number in range(60):
                key, value = f"layer/{number // 10}/{number:03}", f"{number} " * (number % 12)
                store.with_transaction(transaction)[key] = value
        for number in range(3):
            store[f"again/{number}"] = "x" * 50
        del store["again/1"]
        del store["layer/0/000"]
        keys = store.list().result()
        answers[name] = {key.decode(): digest(store[key]) for key in keys}
    store = database("empty", None)
    store["a"] = b"1"
    del store["a"]
    answers["empty"] = {}
    (HERE / "ocdbt.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
