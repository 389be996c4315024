"""The `_METADATA` of a checkpoint of Orbax (JAX, Flax): JSON that lists its arrays, which lie beside.

    tree_metadata    by path: the keys that lead to an array, its kind, and the shape that was written
    use_ocdbt        whether all arrays lie in one database (`manifest.ocdbt`, `d/`), else zarr's directories
    use_zarr3        version 3 of zarr's (mvcd/inspect/zarr.py)

Arrays are called by their keys with dots, as their directories are. In OCDBT, TensorStore's database of B+trees
in Zstandard frames, each array's own JSON is a value of the database too. It is not read, so of such a
checkpoint names, kinds and shapes are told, and no tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mvcd.inspect import zarr
from mvcd.inspect.spans import MAX_TENSORS, NotThisFormat, ReadAt, is_name, read_exactly
from mvcd.inspect.tensorfile import Beside, Metadata, StoredTensor, TensorFile

FORMAT = "orbax"
_BEGINNING = b'{"tree_metadata"'
_MAX_BYTES = 32 << 20
_MAX_SEPARATORS = 4_000_000


def looks_like(head: bytes, size: int) -> bool:
    return head[: len(_BEGINNING)] == _BEGINNING and size <= _MAX_BYTES


def read(read_at: ReadAt, size: int, beside: Beside | None = None) -> TensorFile:
    """`beside` opens the arrays' files, by their path from this one's directory. Raises NotThisFormat."""
    data = read_exactly(read_at, 0, size)
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_SEPARATORS:
        raise NotThisFormat("too many arrays")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotThisFormat("no JSON") from error
    tree = said.get("tree_metadata") if isinstance(said, dict) else None
    if not isinstance(tree, dict) or len(tree) > MAX_TENSORS:
        raise NotThisFormat("no tree of arrays")
    listed = dict(_listed(tree))
    database = said.get("use_ocdbt") is True
    tensors: dict[str, StoredTensor] = {}
    for name in listed if beside is not None and not database else ():
        tensor = _array(name, beside)
        if tensor is not None:
            tensors[name] = tensor
    metadata: dict[str, Metadata] = {"ocdbt": database}
    return TensorFile(FORMAT, tensors, metadata | ({} if tensors else {"arrays": listed}))


def _array(name: str, beside: Beside | None) -> StoredTensor | None:
    try:
        return None if beside is None else zarr.read(name, beside)
    except NotThisFormat:
        return None


def _listed(tree: Mapping[str, Any]) -> Iterator[tuple[str, Metadata]]:
    """Names, and what is said of each: "jax.Array [3, 4]"."""
    for said in tree.values():
        match said:
            case {"key_metadata": list(keys), "value_metadata": {"value_type": str(kind), **rest}}:
                pass
            case _:
                raise NotThisFormat("no array")
        parts = [each.get("key") for each in keys if isinstance(each, dict)]
        name = ".".join(map(str, parts))
        if parts and is_name(name) and not {"/", "\\", "\0"} & set(name) and name.strip("."):
            shape = rest.get("write_shape")
            yield name, f"{kind} {shape}" if isinstance(shape, list) else kind
