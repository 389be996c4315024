"""Makes the samples beside it, with the libraries that write these formats; run when a sample is added.

python -m pip install h5py==3.16.0 flax==0.12.8, then: python tests/daemon/data/make_format_files.py
"""

from pathlib import Path

import h5py
import numpy as np
from flax import serialization

HERE = Path(__file__).parent
WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4)


def hdf5(name: str, **options: object) -> None:
    with h5py.File(HERE / name, "w", **options) as file:
        file.create_group("layers/dense").create_dataset("kernel", data=WEIGHTS)
        file.attrs["step"] = 3


if __name__ == "__main__":
    hdf5("superblock0.h5", libver="earliest")
    hdf5("superblock3.h5", libver="latest")
    hdf5("userblock.h5", userblock_size=1024)
    tree = {
        "params": {"kernel": WEIGHTS, "bias": np.zeros(4, np.float32)},
        "step": 3,
        "name": "x" * 40,
    }
    (HERE / "flax.msgpack").write_bytes(serialization.msgpack_serialize(tree))
