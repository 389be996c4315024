"""The constants of TensorFlow's graphs: `saved_model.pb`, and frozen graphs (tensorflow/core/framework).

    SavedModel      schema version 1, graphs with their tags, signatures and the version of TensorFlow
    GraphDef        nodes, and functions that have nodes; alone it is a frozen graph
    NodeDef         name, operator, inputs; the value of a Const is a tensor

Variables are not here: they lie in `variables/`, a checkpoint (mvcd/inspect/tfcheckpoint.py). Constants of a
function are called by it: `serving_default/scale`. Texts are not listed, nor are constants of more than 64 KiB
that stand there number by number, with the last one for all that follow; shorter ones are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from math import prod

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.protowire import BYTES, FIXED32, FIXED64, VARINT, fields, message, signed, varints
from mvcd.inspect.spans import (
    MAX_NAME_BYTES,
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
)
from mvcd.inspect.tensorfile import Digested, Metadata, Range, StoredTensor, TensorFile, digested
from mvcd.inspect.tfcheckpoint import DTYPES

FORMAT = "tf-graph"
_SAVED_MODEL = b"\x08\x01\x12"
_MAX_SMALL_BYTES = 64 << 10
_MAX_SIGNATURES = 1000
_MAX_OPERATOR_NAMES = 10_000
_MAX_LISTED_BYTES = 64 << 10
_MAX_ALL_LISTED_BYTES = 16 << 20
_FLOATS = {5: "F32", 6: "F64"}
_VARINTS = frozenset({7, 10, 11, 13, 16, 17})
"""Fields of a TensorProto: int_val, int64_val, bool_val, half_val, uint32_val, uint64_val."""


def looks_like(head: bytes, size: int) -> bool:
    """A saved model by its schema version; a graph begins with a node that begins with a name."""
    return size >= 8 and (
        head.startswith(_SAVED_MODEL) or (head[:1] == b"\n" and b"\n" in head[2:5])
    )


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a graph without nodes."""
    model = _Model(Cursor(read_at, 0, size))
    if read_at(0, len(_SAVED_MODEL)) == _SAVED_MODEL:
        model.saved(size)
    else:
        model.graph(size)
    if not model.operators:
        raise NotThisFormat("no nodes")
    return TensorFile(FORMAT, model.tensors, model.metadata())


@dataclass(slots=True)
class _Tensor:
    """A TensorProto: `raw` is its tensor_content, `run` a packed list of floats, `values` other numbers."""

    dtype: int = 0
    shape: tuple[int, ...] = ()
    raw: Range | None = None
    run: Range | None = None
    values: list[bytes] = field(default_factory=list)
    passed: bool = False  # whether numbers were passed over

    def content(self) -> bytes | Range | None:
        """None for text, for what is not as long as its shape says, and for many single numbers."""
        known = DTYPES.get(self.dtype)
        if known is None or self.passed:
            return None
        size = prod(self.shape) * known[1]
        for place in (self.raw, self.run):
            if place is not None and place.size == size:
                return place
        if self.raw is not None or self.run is not None or not self.values:
            return b"" if not size and self.raw is None else None
        if size > _MAX_LISTED_BYTES or len(self.values) * known[1] > size:
            return None
        listed = b"".join([value[: known[1]] for value in self.values])
        return listed + self.values[-1][: known[1]] * ((size - len(listed)) // known[1])


class _Model:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._facts: dict[str, Metadata] = {}
        self._signatures: dict[str, Metadata] = {}
        self._nodes = hashlib.blake2b(digest_size=16)
        self._functions = self._listed = 0
        self.tensors: dict[str, StoredTensor] = {}
        self.operators: Counter[str] = Counter()

    def metadata(self) -> dict[str, Metadata]:
        found = self._facts | {
            "functions": self._functions, "operators": dict(sorted(self.operators.items())),
            "nodes": Digested("node", self.operators.total(), self._nodes.hexdigest()),
        }  # fmt: skip
        return found | ({"signatures": self._signatures} if self._signatures else {})

    def saved(self, end: int) -> None:
        """Of several graphs, which share their names, the first has the constants."""
        graphs = 0
        for number, wire, value in fields(self._cursor, end):
            if number == 2 and wire == BYTES:
                graphs += 1
                if graphs == 1:
                    self._meta_graph(self._cursor.at + value)
                    continue
            self._pass(wire, value)
        self._facts["graphs"] = graphs

    def _meta_graph(self, end: int) -> None:
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number == 1:
                self._about(value)
            elif wire == BYTES and number == 2:
                self.graph(self._cursor.at + value)
            elif wire == BYTES and number == 5:
                self._signature(self._small(value))
            else:
                self._pass(wire, value)

    def _about(self, size: int) -> None:
        end, tags = self._cursor.at + size, list[str]()
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number in (4, 5):
                text = self._text(value)
                if number == 4 and len(tags) < _MAX_SIGNATURES:
                    tags.append(text)
                elif number == 5:
                    self._facts["tensorflow_version"] = text
            else:
                self._pass(wire, value)
        self._facts["tags"] = digested(tags)

    def graph(self, end: int) -> None:
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number == 1:
                self._node(self._cursor.at + value, "")
            elif wire == BYTES and number == 2:
                self._library(self._cursor.at + value)
            elif number in (3, 4) or (
                number == 5 and wire == BYTES
            ):  # versions, of debug information
                self._pass(wire, value)
            else:
                raise NotThisFormat("no field of a graph")

    def _library(self, end: int) -> None:
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number == 1:
                self._functions += 1
                self._function(self._cursor.at + value)
            else:
                self._pass(wire, value)

    def _function(self, end: int) -> None:
        """Its signature comes first, as protobuf writes fields in the order of their numbers."""
        prefix = ""
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number == 1:
                inner = self._cursor.at + value
                for below, kind, size in fields(self._cursor, inner):
                    if below == 1 and kind == BYTES:
                        prefix = self._text(size) + "/"
                    else:
                        self._pass(kind, size)
            elif wire == BYTES and number == 3:
                self._node(self._cursor.at + value, prefix)
            else:
                self._pass(wire, value)

    def _node(self, end: int, prefix: str) -> None:
        name = operator = ""
        value_of: _Tensor | None = None
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number in (1, 2, 3):
                text = self._text(value)
                self._nodes.update(bytes([number]) + text.encode("utf-8", "replace") + b"\0")
                name, operator = (
                    (prefix + text if number == 1 else name),
                    (text if number == 2 else operator),
                )
            elif wire == BYTES and number == 5:
                value_of = self._attribute(self._cursor.at + value) or value_of
            else:
                self._pass(wire, value)
        if not operator or (
            operator not in self.operators and len(self.operators) >= _MAX_OPERATOR_NAMES
        ):
            raise NotThisFormat("a node without an operator, or too many kinds of them")
        self.operators[operator] += 1
        if operator == "Const" and value_of is not None:
            self._constant(name, value_of)

    def _constant(self, name: str, tensor: _Tensor) -> None:
        content = tensor.content()
        if content is None or not name or not is_name(name) or name in self.tensors:
            return
        if isinstance(content, bytes):
            self._listed += len(content)
        if len(self.tensors) >= MAX_TENSORS or self._listed > _MAX_ALL_LISTED_BYTES:
            raise NotThisFormat("too many constants")
        place = content if isinstance(content, bytes) else (content,)
        self.tensors[name] = StoredTensor(name, DTYPES[tensor.dtype][0], tensor.shape, place)

    def _attribute(self, end: int) -> _Tensor | None:
        """The tensor of the attribute called "value"; its key comes first."""
        key, found = "", None
        for number, wire, value in fields(self._cursor, end):
            if wire == BYTES and number == 1:
                key = self._text(value)
            elif wire == BYTES and number == 2 and key == "value":
                for below, kind, size in fields(self._cursor, self._cursor.at + value):
                    if below == 8 and kind == BYTES:
                        found = self._tensor(self._cursor.at + size)
                    else:
                        self._pass(kind, size)
            else:
                self._pass(wire, value)
        return found

    def _tensor(self, end: int) -> _Tensor:
        found = _Tensor()
        for number, wire, value in fields(self._cursor, end):
            if number == 1 and wire == VARINT:
                found.dtype = value
            elif number == 2 and wire == BYTES:
                found.shape = _shape(self._small(value))
            elif number == 4 and wire == BYTES:
                found.raw = Range(self._cursor.at, value)
                self._cursor.skip(value)
            elif number in _FLOATS and _FLOATS[number] == DTYPES.get(found.dtype, ("",))[0]:
                self._floats(found, wire, value)
            elif number in _VARINTS and wire == VARINT:
                self._put(found, [value.to_bytes(8, "little")])
            elif number in _VARINTS and wire == BYTES and value <= _MAX_LISTED_BYTES:
                listed = varints(self._cursor.take(value))
                self._put(found, [each.to_bytes(8, "little") for each in listed])
            else:
                found.passed |= number in _VARINTS
                self._pass(wire, value)
        return found

    def _floats(self, found: _Tensor, wire: int, size: int) -> None:
        if wire == BYTES:
            found.run = Range(self._cursor.at, size)
            if size <= _MAX_LISTED_BYTES:
                width = DTYPES[found.dtype][1]
                data = self._cursor.take(size)
                self._put(found, [data[at : at + width] for at in range(0, size, width)])
                found.run = found.run if size == prod(found.shape) * width else None
                return
            self._cursor.skip(size)
        elif wire in (FIXED32, FIXED64):
            self._put(found, [self._cursor.take(size)])
        else:
            raise NotThisFormat("no list of floats")

    @staticmethod
    def _put(found: _Tensor, values: list[bytes]) -> None:
        found.passed |= len(found.values) + len(values) > _MAX_LISTED_BYTES
        if not found.passed:
            found.values += values

    def _signature(self, data: bytes) -> None:
        said = {n: value for n, _, value in message(data) if isinstance(value, bytes)}
        if 1 not in said or 2 not in said or len(self._signatures) >= _MAX_SIGNATURES:
            return
        ports: dict[str, Metadata] = {}
        for number, _, value in message(said[2]):
            if number in (1, 2) and isinstance(value, bytes):
                side = "inputs" if number == 1 else "outputs"
                entry = {n: v for n, _, v in message(value) if isinstance(v, bytes)}
                label = entry.get(1, b"").decode("utf-8", "replace")
                ports[f"{side}.{label}"] = _info(entry.get(2, b""))
        self._signatures[said[1].decode("utf-8", "replace")] = ports

    def _small(self, size: int) -> bytes:
        if size > _MAX_SMALL_BYTES:
            raise NotThisFormat("a message too long")
        return self._cursor.take(size)

    def _text(self, size: int) -> str:
        if size > 4 * MAX_NAME_BYTES:
            raise NotThisFormat("a text too long")
        return self._cursor.take(size).decode("utf-8", "replace")

    def _pass(self, wire: int, value: int) -> None:
        if wire != VARINT:
            self._cursor.skip(value)


def _shape(data: bytes) -> tuple[int, ...]:
    """A TensorShapeProto; an extent that is not known is -1, which no constant has."""
    extents = _extents(data)
    if len(extents) > MAX_RANK_DIMENSIONS or any(not 0 <= extent < 1 << 48 for extent in extents):
        raise NotThisFormat("no shape")
    return tuple(extents)


def _extents(data: bytes) -> list[int]:
    found = []
    for number, _, value in message(data):
        if number == 2 and isinstance(value, bytes):
            sizes = [signed(v) for n, _, v in message(value) if n == 1 and isinstance(v, int)]
            found.append(sizes[-1] if sizes else 0)
    return found


def _info(data: bytes) -> str:
    """A TensorInfo of a signature: "F32 [-1, 3]"."""
    dtype, extents = 0, list[int]()
    for number, _, value in message(data):
        if number == 2 and isinstance(value, int):
            dtype = value
        elif number == 3 and isinstance(value, bytes):
            extents = _extents(value)
    return f"{DTYPES.get(dtype, (f'dtype {dtype}',))[0]} {extents}"
