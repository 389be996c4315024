"""What a model of LightGBM says of itself: the text that `save_model` writes (gbdt_model_text.cpp).

    tree, version=v4, num_class=3 ...    lines of a key and its value
    feature_names, tree_sizes            the bytes of each tree
    Tree=0 ...                           trees: their number of leaves, then arrays as text
    end of trees, parameters:            [learning_rate: 0.1] ...

The trees' arrays are text, so they are counted and not listed as tensors; their sizes tell where to go on.
"""

from __future__ import annotations

import re

from mvcd.inspect.spans import NotThisFormat, ReadAt, read_exactly
from mvcd.inspect.tensorfile import Metadata, TensorFile, digested, number_in

FORMAT = "lightgbm"
_HEAD = b"tree\nversion=v"
_MAX_HEADER_BYTES = 32 << 20
_READ_BYTES = 64 << 10
_MAX_TREE_ENTRIES = 1_000_000
_MAX_TAIL_BYTES = 16 << 20
_MAX_PARAMETER_LINES = 5_000
_LEAVES = re.compile(rb"Tree=\d+\r?\nnum_leaves=(\d{1,9})\r?\n")
_PARAMETER = re.compile(r"^\[(\w{1,100}): ?(.*)\]$", re.MULTILINE)
_COUNTS = {"num_class": "classes", "num_tree_per_iteration": "trees_per_iteration"}


def looks_like(head: bytes, size: int) -> bool:
    return head.startswith(_HEAD) and size > 64


def read(read_at: ReadAt, size: int) -> TensorFile:
    """The metadata of a model; it has no tensors. Raises NotThisFormat."""
    header = _header(read_at, size)
    said = dict(
        line.split("=", 1) for line in header.decode("utf-8", "replace").splitlines() if "=" in line
    )
    sizes = said.get("tree_sizes", "").split()
    if len(sizes) > _MAX_TREE_ENTRIES or not all(
        part.isdecimal() and len(part) < 12 for part in sizes
    ):
        raise NotThisFormat("no sizes of trees")
    leaves, at = _trees(read_at, len(header), [int(part) for part in sizes], size)
    found: dict[str, Metadata] = {
        "version": said.get("version", ""),
        "objective": said.get("objective", ""),
        "trees": len(sizes),
        "leaves": leaves,
    }
    for key, name in _COUNTS.items():
        if (count := said.get(key, "")).isdecimal() and len(count) < 12:
            found[name] = int(count)
    names = said.get("feature_names", "").split()
    found |= {"features": len(names), "feature_names": digested(names)}
    parameters = _parameters(read_at, at, size)
    return TensorFile(FORMAT, {}, found | ({"parameters": parameters} if parameters else {}))


def _header(read_at: ReadAt, size: int) -> bytes:
    """All that stands before the first tree, or the end of them."""
    data = b""
    while len(data) < min(size, _MAX_HEADER_BYTES):
        start = max(len(data) - 16, 0)
        data += read_at(len(data), min(max(len(data), _READ_BYTES), size - len(data)))
        ends = [at for end in (b"\nTree=", b"\nend of trees") if (at := data.find(end, start)) >= 0]
        if ends:
            return data[: min(ends) + 1]
    raise NotThisFormat("no trees")


def _trees(read_at: ReadAt, at: int, sizes: list[int], end: int) -> tuple[int, int]:
    """The leaves of all trees, and where these end."""
    leaves = 0
    for size in sizes:
        if at + size > end:
            raise NotThisFormat("a tree past the end")
        found = _LEAVES.match(read_exactly(read_at, at, min(size, 64)))
        if found is None:
            raise NotThisFormat("no tree where one should begin")
        leaves += int(found[1])
        at += size
    return leaves, at


def _parameters(read_at: ReadAt, at: int, size: int) -> dict[str, Metadata]:
    """What it was trained with; empty where nothing is said."""
    tail = read_at(at, min(size - at, _MAX_TAIL_BYTES)).decode("utf-8", "replace")
    _, begins, rest = tail.partition("\nparameters:")
    rest, ends, _ = rest.partition("\nend of parameters")
    if not begins or not ends:
        return {}
    listed = _PARAMETER.findall(rest)[:_MAX_PARAMETER_LINES]
    return {key: number_in(value) for key, value in listed}
