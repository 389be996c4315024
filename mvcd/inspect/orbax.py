"""The `_METADATA` of a checkpoint of Orbax (JAX, Flax): JSON that lists its arrays, which lie beside.

    tree_metadata    by path: the keys that lead to an array, its kind, and the shape that was written
    use_ocdbt        whether all arrays lie in one database (`manifest.ocdbt`, `d/`), else zarr's directories
    use_zarr3        version 3 of zarr's (mvcd/inspect/zarr.py)

Arrays are called by their keys with dots, as their directories are. In OCDBT, TensorStore's database of B+trees
(mvcd/inspect/ocdbt.py), what would be the files of these directories are values: small ones lie in the trees,
and are then literals of the tensor. Of a database that is damaged, or larger than that reader allows, names,
kinds and shapes are told, and no tensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mvcd.inspect import ocdbt, zarr
from mvcd.inspect.spans import MAX_TENSORS, NotThisFormat, ReadAt, is_name, read_exactly
from mvcd.inspect.tensorfile import Beside, Metadata, Range, StoredTensor, TensorFile

FORMAT = "orbax"
_BEGINNING = b'{"tree_metadata"'
_MAX_BYTES = 32 << 20
_MAX_SEPARATORS = 4_000_000
_DATABASE = re.compile(r"(?:^|/)(?:manifest\.ocdbt|d/[0-9a-f]{32})$")
_ABOUT = re.compile(
    r"(?:^|/)(?:_CHECKPOINT_METADATA|_sharding|commit_success\.txt|array_metadatas/[^/]+)$"
)


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
    if beside is not None:
        with suppress(NotThisFormat):
            tensors = _in_database(listed, beside) if database else _in_directories(listed, beside)
    metadata: dict[str, Metadata] = {"ocdbt": database}
    return TensorFile(FORMAT, tensors, metadata | ({} if tensors else {"arrays": listed}))


def piece_of(path: str) -> str | None:
    """What a file of a checkpoint that lists no tensors itself is a piece of."""
    if _DATABASE.search(path):
        return "ocdbt"
    return FORMAT if _ABOUT.search(path) else None


def refusal(beside: Beside) -> str | None:
    """Why a database is not read, or what lies in none."""
    try:
        ocdbt.read(beside)
    except NotThisFormat as verdict:
        return str(verdict)
    return None


def _in_directories(names: Iterable[str], beside: Beside) -> dict[str, StoredTensor]:
    found = {}
    for name in names:
        with suppress(NotThisFormat):
            tensor = zarr.read(name, beside)
            if tensor is not None:
                found[name] = tensor
    return found


def _in_database(names: Iterable[str], beside: Beside) -> dict[str, StoredTensor]:
    """Raises NotThisFormat where the database is not read."""
    values = ocdbt.read(beside)
    found = _in_directories(names, ocdbt.as_files(values, beside))
    return {name: _placed(tensor, values) for name, tensor in found.items()}


def _placed(tensor: StoredTensor, values: Mapping[str, ocdbt.StoredValue]) -> StoredTensor:
    """The tensor with its places in the database's files, and what lies in the trees as literals."""
    assert not isinstance(tensor.content, bytes)

    def placed(place: Range) -> Range:
        value = values[place.beside]
        if value.inline is None:
            return replace(place, offset=value.offset + place.offset, beside=value.path)
        held = value.inline[place.offset : place.offset + place.size]
        return replace(place, offset=0, beside="", literal=held)

    return replace(tensor, content=tuple([place.each(placed) for place in tensor.content]))


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
