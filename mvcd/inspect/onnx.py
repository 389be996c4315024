"""The initialisers and the outline of an ONNX model (onnx/onnx.proto, IR versions 3 to 12).

ModelProto is walked field by field: data is passed over, and only the fields below are looked at. Data of a
tensor lies in `raw_data`, in a typed list (floats and doubles as they are, others as varints, which are decoded
while small), or in another file beside the model.

Besides initialisers, those of subgraphs (the branches of If, the body of Loop), the constants of nodes, also
within functions, and sparse tensors are listed: a constant by the name of its node's output, a sparse tensor as
its `values` and `indices`.

Metadata: ir_version, producer, opsets, graph, inputs and outputs ("F32 [batch, 3]"), metadata_props, operators
with their numbers, and a digest of all nodes, which equal graphs share.
"""

from __future__ import annotations

import hashlib
from collections import Counter

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.onnxtensor import TensorProto, dtype_name
from mvcd.inspect.protowire import BYTES, VARINT, fields, message, signed, varints
from mvcd.inspect.spans import (
    MAX_NAME_BYTES,
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
)
from mvcd.inspect.tensorfile import Digested, Metadata, Range, StoredTensor, TensorFile

FORMAT = "onnx"
_MAX_TEXT_BYTES = 64 << 10
_MAX_NODE_BYTES = 1 << 20
_MAX_NODES = 1_000_000
_MAX_LISTED_ITEMS = 4096  # inputs, outputs, properties, opsets, kinds of operators
_MAX_DECODED_BYTES = 16 << 20  # bytes of typed lists decoded, all tensors together

_MAX_LEVELS = 16  # graphs within graphs

_FIXED_LISTS = (4, 10)  # float_data, double_data
_VARINT_LISTS = (5, 7, 11)  # int32_data, int64_data, uint64_data


def looks_like(head: bytes, size: int) -> bool:
    """ModelProto has no magic; every writer puts `ir_version`, 3 to 63, first."""
    return size >= 8 and head[:1] == b"\x08" and 3 <= head[1] < 64


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a message without a graph: then it is something else."""
    model = _Model(read_at, Cursor(read_at, 0, size))
    model.read(size)
    if not model.has_graph:
        raise NotThisFormat("no graph")
    return TensorFile(FORMAT, model.tensors, model.metadata())


class _Model:
    def __init__(self, read_at: ReadAt, cursor: Cursor) -> None:
        self._read_at = read_at
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
        self._copies: Counter[str] = Counter()
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
            elif wire == BYTES and number == 25:
                self._function(self.cursor, self.cursor.at + value)
            else:
                self._pass(wire, value)

    def _graph(self, end: int) -> None:
        for number, wire, value in fields(self.cursor, end):
            if wire == BYTES and number == 1:
                self._node(value)
            elif wire == BYTES and number == 2:
                self._facts["graph"] = self._text(value)
            elif wire == BYTES and number == 5:
                self._add(self.cursor, self.cursor.at + value)
            elif wire == BYTES and number == 15:
                self._add_sparse(self.cursor, self.cursor.at + value)
            elif wire == BYTES and number in (11, 12):
                table = self._inputs if number == 11 else self._outputs
                self._note(table, *_value_info(self._small(value)))
            else:
                self._pass(wire, value)

    def _node(self, size: int) -> None:
        if self._operators.total() >= _MAX_NODES:
            raise NotThisFormat("too many nodes")
        at = self.cursor.at
        if size > _MAX_NODE_BYTES:  # a constant with its data
            self.cursor.skip(size)
            inner = Cursor(self._read_at, at, at + size)
        else:
            data = self.cursor.take(size)
            self._nodes.update(len(data).to_bytes(8, "little") + data)
            inner = Cursor(
                lambda start, count: data[start - at : start - at + count], at, at + size
            )
        inner.steps = self.cursor.steps
        operator, domain = self._attributes(inner, at + size, 0)
        self.cursor.steps = inner.steps
        label = f"{domain}.{operator}" if domain not in ("", "ai.onnx") else operator
        if len(self._operators) >= _MAX_LISTED_ITEMS and label not in self._operators:
            label = "..."
        self._operators[label[:200]] += 1

    # ------------------------------------------------------------ tensors within nodes

    def _attributes(self, cursor: Cursor, end: int, depth: int) -> tuple[str, str]:
        """Adds the tensors of a node's attributes; returns its operator and domain."""
        operator, domain, output = "?", "", ""
        for number, wire, value in fields(cursor, end):
            if wire == BYTES and number == 2 and not output:
                output = _decoded(cursor.take(min(value, MAX_NAME_BYTES)))
                cursor.skip(max(0, value - MAX_NAME_BYTES))
            elif wire == BYTES and number in (4, 7) and value <= _MAX_TEXT_BYTES:
                text = _decoded(cursor.take(value))
                operator, domain = (text, domain) if number == 4 else (operator, text)
            elif wire == BYTES and number == 5:
                self._attribute(cursor, cursor.at + value, output, depth)
            else:
                _pass(cursor, wire, value)
        return operator, domain

    def _attribute(self, cursor: Cursor, end: int, output: str, depth: int) -> None:
        """`t`, `g`, `tensors`, `graphs`, `sparse_tensor` and `sparse_tensors` of an AttributeProto."""
        name = ""
        for number, wire, value in fields(cursor, end):
            if wire != BYTES or number not in (1, 5, 6, 10, 11, 22, 23):
                _pass(cursor, wire, value)
            elif number == 1 and value <= MAX_NAME_BYTES:
                name = _decoded(cursor.take(value))
            elif number == 1:
                cursor.skip(value)
            elif number in (6, 11):
                self._subgraph(cursor, cursor.at + value, depth + 1)
            else:
                label = output if name in ("value", "sparse_value") else f"{output}.{name}"
                add = self._add if number in (5, 10) else self._add_sparse
                add(cursor, cursor.at + value, label)

    def _subgraph(self, cursor: Cursor, end: int, depth: int) -> None:
        if depth > _MAX_LEVELS:
            raise NotThisFormat("graphs too deep")
        for number, wire, value in fields(cursor, end):
            if wire == BYTES and number == 1:
                self._attributes(cursor, cursor.at + value, depth)
            elif wire == BYTES and number == 5:
                self._add(cursor, cursor.at + value)
            elif wire == BYTES and number == 15:
                self._add_sparse(cursor, cursor.at + value)
            else:
                _pass(cursor, wire, value)

    def _function(self, cursor: Cursor, end: int) -> None:
        for number, wire, value in fields(cursor, end):
            if wire == BYTES and number == 7:
                self._attributes(cursor, cursor.at + value, 0)
            else:
                _pass(cursor, wire, value)

    # ------------------------------------------------------------ tensors

    def _add_sparse(self, cursor: Cursor, end: int, label: str = "") -> None:
        """A SparseTensorProto: its values, which have the name, and their places."""
        parts: dict[int, TensorProto] = {}
        for number, wire, value in fields(cursor, end):
            if wire == BYTES and number in (1, 2):
                parts[number] = self._tensor(cursor, cursor.at + value)
            else:
                _pass(cursor, wire, value)
        name = (parts[1].name if 1 in parts else "") or label
        for number, part in parts.items():
            self._list(part, f"{name}.{'values' if number == 1 else 'indices'}" if name else "")

    def _add(self, cursor: Cursor, end: int, label: str = "") -> None:
        """`label`: what the tensor is called if it has no name, or the name of one before it."""
        tensor = self._tensor(cursor, end)
        own = tensor.name and tensor.name not in self.tensors
        self._list(tensor, tensor.name if own and not label else label or tensor.name)

    def _list(self, tensor: TensorProto, name: str) -> None:
        if len(self.tensors) >= MAX_TENSORS:
            raise NotThisFormat("too many tensors")
        content = tensor.content()
        if content is None or tensor.partial or not name or not is_name(name):
            return
        free = name
        while free in self.tensors:
            self._copies[name] += 1
            free = f"{name}.{self._copies[name] + 1}"
        dtype = dtype_name(tensor.dtype)
        self.tensors[free] = StoredTensor(free, dtype, tuple(tensor.dims), content)

    def _tensor(self, cursor: Cursor, end: int) -> TensorProto:
        found = TensorProto()
        for number, wire, value in fields(cursor, end):
            if number == 1:
                found.dims += self._varints(cursor, wire, value, MAX_RANK_DIMENSIONS)
            elif number == 2 and wire == VARINT:
                found.dtype = value
            elif number == 3:
                found.partial = True  # a segment of a tensor; nobody writes them
                _pass(cursor, wire, value)
            elif number == 8 and wire == BYTES:
                found.name = _decoded(_small(cursor, value))
            elif number == 9 and wire == BYTES:
                found.raw = Range(cursor.at, value)
                cursor.skip(value)
            elif number == 13 and wire == BYTES:
                key, text = _pair(_small(cursor, value))
                found.external[key] = text
            elif number in _FIXED_LISTS and wire != VARINT and len(found.runs) < _MAX_LISTED_ITEMS:
                found.runs.append(Range(cursor.at, value))
                cursor.skip(value)
            elif number in _VARINT_LISTS:
                found.values += self._varints(cursor, wire, value, _MAX_DECODED_BYTES)
            else:
                _pass(cursor, wire, value)
        if len(found.dims) > MAX_RANK_DIMENSIONS or any(
            not 0 <= signed(dim) < 1 << 40 for dim in found.dims
        ):
            raise NotThisFormat("no shape")
        return found

    def _varints(self, cursor: Cursor, wire: int, value: int, limit: int) -> list[int]:
        """A repeated integer, packed or not. Ends the reading when all of them together grow large."""
        if wire != BYTES:
            values = [value] if wire == VARINT else []
            _pass(cursor, wire, value)
        elif value > limit * 10:
            raise NotThisFormat("a list too long to decode")
        else:
            values = list(varints(cursor.take(value)))
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
        _pass(self.cursor, wire, value)

    def _text(self, size: int) -> str:
        return _decoded(self._small(size))

    def _small(self, size: int) -> bytes:
        return _small(self.cursor, size)


def _pass(cursor: Cursor, wire: int, value: int) -> None:
    if wire != VARINT:
        cursor.skip(value)


def _small(cursor: Cursor, size: int) -> bytes:
    if size > _MAX_TEXT_BYTES:
        raise NotThisFormat("a header field too long")
    return cursor.take(size)


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
            dtype = dtype_name(value)
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
