"""The initialisers and the outline of an ONNX model (onnx/onnx.proto, IR versions 3 to 12).

ModelProto is walked field by field: data is passed over, and only the fields below are looked at. Data of an
initialiser lies in `raw_data`, in a typed list (floats and doubles as they are, others as varints, which are
decoded while small), or in another file beside the model. Sparse initialisers, tensors within nodes (constants)
and within functions are not listed.

Metadata: ir_version, producer, opsets, graph, inputs and outputs ("F32 [batch, 3]"), metadata_props, operators
with their numbers, and a digest of all nodes, which equal graphs share.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from math import prod

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.protowire import BYTES, VARINT, fields, message, signed, varints
from mvcd.inspect.spans import MAX_RANK_DIMENSIONS, MAX_TENSORS, NotThisFormat, ReadAt, is_name
from mvcd.inspect.tensorfile import Digested, Metadata, Range, StoredTensor, TensorFile

FORMAT = "onnx"
_MAX_TEXT_BYTES = 64 << 10
_MAX_NODE_BYTES = 1 << 20
_MAX_NODES = 1_000_000
_MAX_LISTED_ITEMS = 4096  # inputs, outputs, properties, opsets, kinds of operators
_MAX_DECODED_BYTES = 16 << 20  # bytes of typed lists decoded, all tensors together

DTYPES = {
    1: ("F32", 4), 2: ("U8", 1), 3: ("I8", 1), 4: ("U16", 2), 5: ("I16", 2), 6: ("I32", 4), 7: ("I64", 8),
    9: ("BOOL", 1), 10: ("F16", 2), 11: ("F64", 8), 12: ("U32", 4), 13: ("U64", 8), 14: ("C64", 8),
    15: ("C128", 16), 16: ("BF16", 2), 17: ("F8_E4M3", 1), 18: ("F8_E4M3FNUZ", 1), 19: ("F8_E5M2", 1),
    20: ("F8_E5M2FNUZ", 1), 24: ("F8_E8M0", 1),
}  # fmt: skip
_OTHERS = {8: "STRING", 21: "U4", 22: "I4", 23: "F4", 25: "U2", 26: "I2"}
"""Text, and two or more elements to a byte."""

_FIXED_LISTS = (4, 10)  # float_data, double_data
_VARINT_LISTS = (5, 7, 11)  # int32_data, int64_data, uint64_data


def looks_like(head: bytes, size: int) -> bool:
    """ModelProto has no magic; every writer puts `ir_version`, 3 to 63, first."""
    return size >= 8 and head[:1] == b"\x08" and 3 <= head[1] < 64


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a message without a graph: then it is something else."""
    model = _Model(Cursor(read_at, 0, size))
    model.read(size)
    if not model.has_graph:
        raise NotThisFormat("no graph")
    return TensorFile(FORMAT, model.tensors, model.metadata())


@dataclass(slots=True)
class _Tensor:
    """A TensorProto as it is read."""

    dims: list[int] = field(default_factory=list)
    dtype: int = 0
    name: str = ""
    raw: Range | None = None
    runs: list[Range] = field(default_factory=list)  # of a fixed-width typed list
    values: list[int] = field(default_factory=list)  # of a varint list
    external: dict[str, str] = field(default_factory=dict)
    partial: bool = False

    def size(self) -> int | None:
        known = DTYPES.get(self.dtype)
        return None if known is None else prod(self.dims) * known[1]

    def content(self) -> bytes | tuple[Range, ...] | None:
        """None when the data is nowhere, or not as long as shape and dtype say."""
        size = self.size()
        if self.external:
            return _external(self.external, size)
        if self.raw is not None:
            return (self.raw,) if size in (None, self.raw.size) else None
        if size is None:
            return None
        if self.values:
            width = DTYPES[self.dtype][1]
            data = b"".join((v % (1 << 8 * width)).to_bytes(width, "little") for v in self.values)
            return data if len(data) == size else None
        return tuple(self.runs) if sum(run.size for run in self.runs) == size else None


def _external(entries: dict[str, str], size: int | None) -> tuple[Range, ...] | None:
    location = entries.get("location", "")
    try:
        offset = int(entries.get("offset", "0")[:20])
        length = int(entries["length"][:20]) if "length" in entries else size
    except ValueError:
        return None
    if length is None or size not in (None, length) or offset < 0 or not _is_beside(location):
        return None
    return (Range(offset, length, beside=location),)


def _is_beside(location: str) -> bool:
    """A relative path that stays below the model's directory."""
    parts = location.split("/")
    return is_name(location) and "\\" not in location and not {"", ".", ".."} & set(parts)


class _Model:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.tensors: dict[str, StoredTensor] = {}
        self.has_graph = False
        self._facts: dict[str, Metadata] = {}
        self._opsets: dict[str, Metadata] = {}
        self._properties: dict[str, Metadata] = {}
        self._inputs: dict[str, Metadata] = {}
        self._outputs: dict[str, Metadata] = {}
        self._operators: Counter[str] = Counter()
        self._nodes = hashlib.blake2b(digest_size=16)
        self._decoded = 0

    def metadata(self) -> dict[str, Metadata]:
        found = self._facts | {
            "opsets": self._opsets, "inputs": self._inputs, "outputs": self._outputs,
            "operators": dict(sorted(self._operators.items())),
            "nodes": Digested("node", self._operators.total(), self._nodes.hexdigest()),
        }  # fmt: skip
        return found | ({"metadata_props": self._properties} if self._properties else {})

    def read(self, end: int) -> None:
        texts = {2: "producer_name", 3: "producer_version", 4: "domain"}
        for number, wire, value in fields(self.cursor, end):
            if number == 1 and wire == VARINT:
                self._facts["ir_version"] = value
            elif number == 5 and wire == VARINT:
                self._facts["model_version"] = signed(value)
            elif wire == BYTES and number in texts:
                self._facts[texts[number]] = self._text(value)
            elif wire == BYTES and number == 7:
                self.has_graph = True
                self._graph(self.cursor.at + value)
            elif wire == BYTES and number == 8:
                self._note(self._opsets, *self._opset(value))
            elif wire == BYTES and number == 14:
                self._note(self._properties, *_pair(self._small(value)))
            else:
                self._pass(wire, value)

    def _graph(self, end: int) -> None:
        for number, wire, value in fields(self.cursor, end):
            if wire == BYTES and number == 1:
                self._node(value)
            elif wire == BYTES and number == 2:
                self._facts["graph"] = self._text(value)
            elif wire == BYTES and number == 5:
                self._initializer(self.cursor.at + value)
            elif wire == BYTES and number in (11, 12):
                table = self._inputs if number == 11 else self._outputs
                self._note(table, *_value_info(self._small(value)))
            else:
                self._pass(wire, value)

    def _node(self, size: int) -> None:
        if self._operators.total() >= _MAX_NODES:
            raise NotThisFormat("too many nodes")
        operator, domain = "?", ""
        if size > _MAX_NODE_BYTES:  # a constant with its data
            self.cursor.skip(size)
        else:
            data = self.cursor.take(size)
            self._nodes.update(len(data).to_bytes(8, "little") + data)
            for number, _, value in message(data):
                if number == 4 and isinstance(value, bytes):
                    operator = _decoded(value)
                elif number == 7 and isinstance(value, bytes):
                    domain = _decoded(value)
        label = f"{domain}.{operator}" if domain not in ("", "ai.onnx") else operator
        if len(self._operators) >= _MAX_LISTED_ITEMS and label not in self._operators:
            label = "..."
        self._operators[label[:200]] += 1

    def _initializer(self, end: int) -> None:
        if len(self.tensors) >= MAX_TENSORS:
            raise NotThisFormat("too many tensors")
        tensor = self._tensor(end)
        content = tensor.content()
        if content is None or tensor.partial or not is_name(tensor.name):
            return
        dtype = DTYPES[tensor.dtype][0] if tensor.dtype in DTYPES else _OTHERS.get(tensor.dtype)
        label = dtype or f"ONNX_{tensor.dtype}"
        self.tensors[tensor.name] = StoredTensor(tensor.name, label, tuple(tensor.dims), content)

    def _tensor(self, end: int) -> _Tensor:
        found, cursor = _Tensor(), self.cursor
        for number, wire, value in fields(cursor, end):
            if number == 1:
                found.dims += self._varints(wire, value, MAX_RANK_DIMENSIONS)
            elif number == 2 and wire == VARINT:
                found.dtype = value
            elif number == 3:
                found.partial = True  # a segment of a tensor; nobody writes them
                self._pass(wire, value)
            elif number == 8 and wire == BYTES:
                found.name = self._text(value)
            elif number == 9 and wire == BYTES:
                found.raw = Range(cursor.at, value)
                cursor.skip(value)
            elif number == 13 and wire == BYTES:
                key, text = _pair(self._small(value))
                found.external[key] = text
            elif number in _FIXED_LISTS and wire != VARINT and len(found.runs) < _MAX_LISTED_ITEMS:
                found.runs.append(Range(cursor.at, value))
                cursor.skip(value)
            elif number in _VARINT_LISTS:
                found.values += self._varints(wire, value, _MAX_DECODED_BYTES)
            else:
                self._pass(wire, value)
        if len(found.dims) > MAX_RANK_DIMENSIONS or any(
            not 0 <= signed(dim) < 1 << 40 for dim in found.dims
        ):
            raise NotThisFormat("no shape")
        return found

    def _varints(self, wire: int, value: int, limit: int) -> list[int]:
        """A repeated integer, packed or not. Ends the reading when all of them together grow large."""
        if wire != BYTES:
            values = [value] if wire == VARINT else []
            self._pass(wire, value)
        elif value > limit * 10:
            raise NotThisFormat("a list too long to decode")
        else:
            values = list(varints(self.cursor.take(value)))
        self._decoded += 8 * len(values)
        if self._decoded > _MAX_DECODED_BYTES:
            raise NotThisFormat("lists too long to decode")
        return values

    def _opset(self, size: int) -> tuple[str, Metadata]:
        domain, version = "ai.onnx", 0
        for number, wire, value in message(self._small(size)):
            if number == 1 and isinstance(value, bytes):
                domain = _decoded(value) or domain
            elif number == 2 and wire == VARINT and isinstance(value, int):
                version = value
        return domain, version

    def _note(self, table: dict[str, Metadata], key: str, value: Metadata) -> None:
        if len(table) >= _MAX_LISTED_ITEMS:
            raise NotThisFormat("more metadata than we keep")
        table[key] = value

    def _pass(self, wire: int, value: int) -> None:
        if wire != VARINT:
            self.cursor.skip(value)

    def _text(self, size: int) -> str:
        return _decoded(self._small(size))

    def _small(self, size: int) -> bytes:
        if size > _MAX_TEXT_BYTES:
            raise NotThisFormat("a header field too long")
        return self.cursor.take(size)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _pair(data: bytes) -> tuple[str, str]:
    """A StringStringEntryProto."""
    texts = {number: _decoded(v) for number, _, v in message(data) if isinstance(v, bytes)}
    return texts.get(1, ""), texts.get(2, "")


def _value_info(data: bytes) -> tuple[str, str]:
    """A ValueInfoProto's name, and its tensor type: ("image", "F32 [batch, 3, 224, 224]")."""
    name, shown = "", "?"
    for number, _, value in message(data):
        if number == 1 and isinstance(value, bytes):
            name = _decoded(value)
        elif number == 2 and isinstance(value, bytes):
            for kind, _, inner in message(value):
                if kind == 1 and isinstance(inner, bytes):  # tensor_type
                    shown = _tensor_type(inner)
    return name, shown


def _tensor_type(data: bytes) -> str:
    dtype, extents = "?", []
    for number, _, value in message(data):
        if number == 1 and isinstance(value, int):
            dtype = DTYPES[value][0] if value in DTYPES else _OTHERS.get(value, f"ONNX_{value}")
        elif number == 2 and isinstance(value, bytes):
            extents = [
                _extent(dim) for n, _, dim in message(value) if n == 1 and isinstance(dim, bytes)
            ]
    return f"{dtype} [{', '.join(extents)}]"


def _extent(data: bytes) -> str:
    for number, _, value in message(data):
        if number == 1 and isinstance(value, int):
            return str(signed(value))
        if number == 2 and isinstance(value, bytes):
            return _decoded(value)
    return "?"
