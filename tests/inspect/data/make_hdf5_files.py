"""Writes the HDF5 fixtures beside it. Run with h5py 3.16 and numpy 2: `python make_hdf5_files.py`.

`hdf5.json` holds what h5py reads of each dataset that is listed (dtype, shape, SHA-256 in row order), by its
path with dots.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
NAMES = {"f2": "F16", "f4": "F32", "f8": "F64", "i4": "I32", "i8": "I64", "u1": "U8", "i1": "I8"}


def fill(file: h5py.File) -> None:
    """Groups, attributes and datasets as Keras lays them out, and some that it does not write."""
    rng = np.random.default_rng(1)
    file.attrs["keras_version"] = "3.0"
    for layer in ("dense", "dense_1"):
        place = file.create_group(f"layers/{layer}/vars")
        place["0"] = rng.standard_normal((4, 3)).astype("f4")
        place["1"] = np.zeros(3, "f4")
        place.parent.attrs["name"] = np.array([b"a" * 40])
    for number in range(7):
        file[f"optimizer/vars/{number}"] = np.full((2, 2), number, "f2")
    for name, dtype in (
        ("double", "f8"),
        ("step", "i8"),
        ("byte", "u1"),
        ("small", "i1"),
        ("int", "i4"),
    ):
        file[f"other/{name}"] = np.arange(5, dtype=dtype) if name != "step" else np.array(7, dtype)
    file["other2/empty"] = np.zeros((0, 3), "f4")
    file["other2/text"] = "hello"
    file["other2/big"] = np.arange(3, dtype=">f4")
    file.create_dataset(
        "other2/chunked", data=np.ones((10, 10), "f4"), chunks=(3, 3), compression="gzip"
    )
    file["other2/again"] = file["layers/dense/vars/0"]


def say(file: h5py.File) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}

    def visit(name: str, item: object) -> None:
        skipped = ("text", "big")
        if isinstance(item, h5py.Dataset) and not name.endswith(skipped):
            array = item[()]
            digest = hashlib.sha256(np.asarray(array).tobytes()).hexdigest()
            found[name.replace("/", ".")] = [NAMES[item.dtype.str[1:]], list(item.shape), digest]

    file.visititems(visit)
    if "layers.dense.vars.0" in found:
        found["other2.again"] = found["layers.dense.vars.0"]  # a hard link, which is visited once
    return found


ROWS = {"chunks": (4, 6)}
BYTES = {"data": np.arange(60, dtype="u1").reshape(10, 6)}
CHUNKED = {
    "read/plain": ROWS, "read/gzip": ROWS | {"compression": "gzip"},
    "read/checked": ROWS | {"fletcher32": True},
    "read/both": ROWS | {"compression": 9, "fletcher32": True}, "read/columns": {"chunks": (5, 3)},
    "read/bytes": ROWS | BYTES | {"compression": 1, "shuffle": True},
    "read/one": {"chunks": (10, 6)}, "read/one_gzip": {"chunks": (10, 6), "compression": "gzip"},
    "more/grows": ROWS | {"maxshape": (None, 6)},
    "more/long": {"chunks": (1,), "data": np.arange(40, dtype="i8")},
    "more/empty": {"chunks": (4, 6), "data": np.zeros((0, 6), "f4"), "maxshape": (None, 6)},
    "code/shuffled": ROWS | {"compression": "gzip", "shuffle": True},
    "code/lzf": ROWS | {"compression": "lzf"}, "code/jutting": {"chunks": (5, 4)},
}  # fmt: skip
"""Datasets in chunks of all kinds."""


def fill_chunked(file: h5py.File) -> None:
    rng = np.random.default_rng(4)
    for name, options in CHUNKED.items():
        data = {"data": rng.integers(0, 99, (10, 6)).astype("f4")}
        file.create_dataset(name, **(data | options))
    file.create_dataset("code/partly", (10, 6), "f4", chunks=(4, 6))[:4] = 1
    file.create_dataset("code/unwritten", (10, 6), "f4", chunks=(4, 6))


EACH = ("f2", "f4", "f8", "i8", "u1")
FILTERS = {
    "shuffle": {"shuffle": True}, "gzip": {"compression": "gzip", "shuffle": True},
    "lzf": {"compression": "lzf"},
    "lzf_shuffle": {"compression": "lzf", "shuffle": True},
    "all": {"compression": 9, "shuffle": True, "fletcher32": True},
    "checked": {"compression": "lzf", "fletcher32": True}, "sum": {"shuffle": True, "fletcher32": True},
}  # fmt: skip


def fill_filtered(file: h5py.File) -> None:
    """Numbers that repeat and numbers that do not; 70 rows in chunks of 32, so that the last juts out below;
    what LZF cannot make smaller is stored as it is."""
    rng = np.random.default_rng(6)
    for name, options in FILTERS.items():
        for kind in EACH:
            steps = np.arange(210).reshape(70, 3) // 10
            file.create_dataset(
                f"{name}/{kind}", data=steps.astype(kind), chunks=(32, 3), **options
            )
        noise = rng.standard_normal((40, 3))
        file.create_dataset(f"{name}/noise", data=noise, chunks=(16, 3), **options)
        file.create_dataset(f"{name}/short", data=np.arange(6, dtype="i4"), chunks=(4,), **options)
    file.create_dataset("code/scaled", data=np.arange(60, dtype="i4"), chunks=(20,), scaleoffset=0)
    wide = np.zeros((100, 6), "f4")
    file.create_dataset("code/jutting", data=wide, chunks=(50, 4), **FILTERS["gzip"])
    file.create_dataset("code/columns", data=wide, chunks=(50, 3), **FILTERS["lzf"])


GRIDS = {
    "read/wide": ((7, 50), (3, 16)), "read/auto": ((500, 300), True), "read/single": ((5, 6, 8), (1, 3, 5)),
    "read/deep": ((40, 30, 3, 3), True), "read/middle": ((6, 5, 9), (2, 5, 4)),
    "read/long": ((3, 1000), (3, 64)), "read/sheets": ((4, 6, 6), (2, 3, 6)),
    "read/cube": ((8, 12, 12), (4, 6, 6)),
}  # fmt: skip
"""Shapes, and chunks that divide their rows; True for those that h5py chooses."""


def fill_grids(file: h5py.File) -> None:
    rng = np.random.default_rng(8)
    for number, (name, (shape, chunks)) in enumerate(GRIDS.items()):
        options = list(FILTERS.values())[number % len(FILTERS)]
        data = (rng.integers(0, 9, shape) // 8).astype(EACH[number % 4])
        file.create_dataset(name, data=data, chunks=chunks, **options)


def main() -> None:
    answers = {}
    for name, libver in (
        ("model.h5", "earliest"),
        ("latest.h5", "latest"),
        ("v110.h5", ("v110", "v110")),
    ):
        with h5py.File(HERE / name, "w", libver=libver, track_order=False) as file:
            fill(file)
            answers[name] = say(file)
    with h5py.File(HERE / "dense.h5", "w", libver="latest") as file:
        for number in range(20):
            file[f"vars/{number}"] = np.ones(1, "f4")
    for name, libver in (("chunks.h5", "earliest"), ("chunks_latest.h5", "latest")):
        with h5py.File(HERE / name, "w", libver=libver) as file:
            fill_chunked(file)
            chunked = say(file)
    filtered = {}
    for name, libver in (("filters.h5", "earliest"), ("filters_latest.h5", "latest")):
        with h5py.File(HERE / name, "w", libver=libver) as file:
            fill_filtered(file)
            filtered = say(file)
    with h5py.File(HERE / "grids.h5", "w") as file:
        fill_grids(file)
        grids = say(file)
    (HERE / "hdf5_grids.json").write_text(json.dumps(grids, indent=1) + "\n")
    (HERE / "hdf5_filters.json").write_text(json.dumps(filtered, indent=1) + "\n")
    (HERE / "hdf5_chunks.json").write_text(json.dumps(chunked, indent=1) + "\n")
    (HERE / "hdf5.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
