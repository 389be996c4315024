"""Arrays in MessagePack as Flax writes them (`flax.serialization.to_bytes`, msgpack/spec.md).

A file is one map of maps. An array is an extension of type 1 (type 3: a scalar) that holds MessagePack itself:
a list of shape, name of the dtype, and the bytes in the order of the shape. Arrays over 1 GiB are a map with a
key `__msgpack_chunked_array__`, a shape, and chunks, one after another in row order.

Arrays are called by the keys that lead to them: `params.Dense_0.kernel`. Data is passed over unread.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import (
    MAX_NAME_BYTES,
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
)
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile

FORMAT = "flax"
_MAX_ITEMS = 2_000_000
_MAX_LEVELS = 64
_CHUNKED = "__msgpack_chunked_array__"
_ARRAY, _SCALAR = 1, 3

_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_UNSIGNED = {0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q"}
_TEXTS = {0xD9: "B", 0xDA: "H", 0xDB: "I"}
_BYTES = {0xC4: "B", 0xC5: "H", 0xC6: "I"}
_EXTENSIONS = {0xC7: "B", 0xC8: "H", 0xC9: "I"}
_SHORT_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_LISTS = {0xDC: "H", 0xDD: "I"}
_MAPS = {0xDE: "H", 0xDF: "I"}

_DTYPES = {
    "float64": ("F64", 8), "float32": ("F32", 4), "float16": ("F16", 2), "bfloat16": ("BF16", 2),
    "int64": ("I64", 8), "int32": ("I32", 4), "int16": ("I16", 2), "int8": ("I8", 1), "uint64": ("U64", 8),
    "uint32": ("U32", 4), "uint16": ("U16", 2), "uint8": ("U8", 1), "bool": ("BOOL", 1),
    "complex64": ("C64", 8), "complex128": ("C128", 16), "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1), "float8_e4m3fnuz": ("F8_E4M3FNUZ", 1),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", 1),
}  # fmt: skip


class _Array(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    places: tuple[Range, ...]


def looks_like(head: bytes, size: int) -> bool:
    """A map whose first key is a text; costs no further read."""
    if len(head) < 4 or size < 8:
        return False
    first = head[0]
    key = head[1] if 0x80 < first < 0x90 else head[3] if first == 0xDE else 0
    return 0xA0 <= key < 0xC0 or key == 0xD9


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a map without arrays."""
    reader = _Reader(Cursor(read_at, 0, size, ">"))
    reader.item("", 0)
    if reader.cursor.left or not reader.found:
        raise NotThisFormat("no map of arrays")
    return TensorFile(FORMAT, reader.found)


class _Reader:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.found: dict[str, StoredTensor] = {}
        self._items = 0

    def item(self, path: str, depth: int) -> Any:
        """Reads one item and lists the arrays in it; returns a text, a number or an array, None for others."""
        self._items += 1
        if self._items > _MAX_ITEMS or depth > _MAX_LEVELS:
            raise NotThisFormat("too many items, or too deep")
        cursor = self.cursor
        first = cursor.take(1)[0]
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else None
        if first < 0x90 or first in _MAPS:
            return self._map(
                first & 15 if first < 0x90 else cursor.number(_MAPS[first]), path, depth
            )
        if first < 0xA0 or first in _LISTS:
            count = first & 15 if first < 0xA0 else cursor.number(_LISTS[first])
            for position in range(count):
                self._list(_joined(path, str(position)), depth)
            return None
        return self._plain(first)

    def _plain(self, first: int) -> Any:
        """An item that holds no others."""
        cursor = self.cursor
        if first < 0xC0 or first in _TEXTS:
            return self._text(first & 31 if first < 0xC0 else cursor.number(_TEXTS[first]))
        if first in _UNSIGNED:
            return cursor.number(_UNSIGNED[first])
        if first in _EXTENSIONS or first in _SHORT_EXTENSIONS:
            size = _SHORT_EXTENSIONS.get(first) or cursor.number(_EXTENSIONS[first])
            return self._extension(cursor.number("B"), size)
        if first not in _FIXED and first not in _BYTES:
            raise NotThisFormat("no MessagePack")
        cursor.skip(_FIXED[first] if first in _FIXED else cursor.number(_BYTES[first]))
        return None

    def _list(self, path: str, depth: int) -> Any:
        value = self.item(path, depth + 1)
        if isinstance(value, _Array) and is_name(path) and path not in self.found:
            if len(self.found) >= MAX_TENSORS:
                raise NotThisFormat("too many tensors")
            self.found[path] = StoredTensor(path, value.dtype, value.shape, value.places)
        return value

    def _map(self, count: int, path: str, depth: int) -> Any:
        if count and (key := self.item(path, depth + 1)) == _CHUNKED:
            return self._chunked(count, depth)
        for number in range(count):
            key = key if number == 0 else self.item(path, depth + 1)
            if not isinstance(key, str | int):
                raise NotThisFormat("a key that is no text")
            self._list(_joined(path, str(key)), depth)
        return None

    def _text(self, size: int) -> str | None:
        if size > MAX_NAME_BYTES:
            self.cursor.skip(size)
            return None
        return self.cursor.take(size).decode("utf-8", "replace")

    def _extension(self, kind: int, size: int) -> _Array | None:
        end = self.cursor.at + size
        if size > self.cursor.left:
            raise NotThisFormat("an extension reaches past the end")
        found = self._array(end) if kind in (_ARRAY, _SCALAR) and size > 3 else None
        if self.cursor.at > end:
            raise NotThisFormat("an array longer than its extension")
        self.cursor.skip(end - self.cursor.at)
        return found

    def _array(self, end: int) -> _Array | None:
        """Shape, dtype and bytes; None for what has other parts or a dtype that is not ours."""
        cursor = self.cursor
        if cursor.take(1)[0] != 0x93:
            return None
        head = cursor.take(1)[0]
        rank = head & 15 if 0x90 <= head < 0xA0 else MAX_RANK_DIMENSIONS + 1
        shape: list[Any] = (
            [self.item("", _MAX_LEVELS) for _ in range(rank)]
            if rank <= MAX_RANK_DIMENSIONS
            else [None]
        )
        dtype = self.item("", _MAX_LEVELS)
        if dtype not in _DTYPES or any(type(extent) is not int for extent in shape):
            return None
        kind = cursor.take(1)[0]
        size = cursor.number(_BYTES[kind]) if kind in _BYTES else -1
        name, width = _DTYPES[dtype]
        if size != prod(shape) * width or cursor.at + size != end:
            return None
        return _Array(name, tuple(shape), (Range(cursor.at, size),))

    def _chunked(self, count: int, depth: int) -> _Array | None:
        """What follows the mark: its value, and the keys `shape` and `chunks`."""
        self.item("", depth + 1)
        parts: dict[Any, list[Any]] = {}
        for _ in range(count - 1):
            key, head = self.item("", depth + 1), self.cursor.take(1)[0]
            if not 0x80 <= head < 0x90 and head not in _MAPS:
                raise NotThisFormat("no chunked array")
            entries = head & 15 if head < 0x90 else self.cursor.number(_MAPS[head])
            values = {}
            for _ in range(entries):
                position = self.item("", depth + 1)
                values[position] = self.item("", depth + 1)
            parts[key] = [values.get(str(at)) for at in range(len(values))]
        shape, chunks = parts.get("shape", [None]), parts.get("chunks", [])
        if not chunks or not all(isinstance(chunk, _Array) for chunk in chunks):
            return None
        if (
            any(type(extent) is not int for extent in shape)
            or len({chunk.dtype for chunk in chunks}) > 1
        ):
            return None
        if prod(shape) != sum(prod(chunk.shape) for chunk in chunks):
            return None
        places = tuple(place for chunk in chunks for place in chunk.places)
        return _Array(chunks[0].dtype, tuple(shape), places)


def _joined(path: str, key: str) -> str:
    below = f"{path}.{key}" if path else key
    return (
        below if len(below) <= MAX_NAME_BYTES else "x" * (MAX_NAME_BYTES + 1)
    )  # names nothing, however deep
