"""The tensors that a torch `data.pkl` describes, read without running any of it.

A pickle is a program; unpickling runs whatever it names. This reader knows the opcodes of protocols 2 to 5
and builds nothing but its own inert values from them: dicts, lists, tuples, short strings, small numbers,
`Storage`, `StorageView`, and a `_Thing` for every other object. Globals are only compared with the names below,
never imported. An unknown opcode, or one limit passed, ends the reading with NotThisFormat.

Limits: 16 MiB of pickle and a million opcodes (about 38 per tensor), so at most about a second and
100 MB. The walk for names is bounded on its own, since a pickle of a few bytes can share one list 2^60
times, or contain itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mvcd.inspect.spans import MAX_NAME_BYTES, MAX_RANK_DIMENSIONS, NotThisFormat, is_name

MAX_PICKLE_BYTES = 16 << 20
_MAX_OPCODES = 1_000_000
_MAX_VISITS = 2_000_000
_MAX_NAME_CHARACTERS = 16 << 20  # characters of all names together
_MAX_LEVELS = 64
_MAX_LINE_BYTES = 512

DTYPES = {
    "FloatStorage": "F32",
    "DoubleStorage": "F64",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
    "float32": "F32",
    "float64": "F64",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
    "complex128": "C128",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}
"""Storage classes and dtypes of module torch; what is missing here is bytes, U8."""

_MODULE_PARTS = frozenset({"_modules", "_parameters", "_buffers"})
"""Attributes of a pickled nn.Module left out of names, which then equal those of its state_dict."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A persistent id: the member `data/<key>`, and the dtype its storage class names."""

    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class StorageView:
    """A view of a storage; offset and strides in elements. Values are as claimed, not checked."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read(data: bytes) -> list[tuple[str, StorageView]]:
    """Every tensor with its key path ("model.layer.weight"), in the order of the pickle.

    A tensor reached over several paths is listed under each. Raises NotThisFormat.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise NotThisFormat("pickle too large")
    try:
        root = _Machine(data).run()
    except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise NotThisFormat("not a pickle of this kind") from error
    return list(_walk(root))


# ---------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Global:
    module: str
    name: str

    @property
    def dtype(self) -> str:
        return DTYPES.get(self.name, "U8") if self.module == "torch" else "U8"


class _Thing:
    """An object we do not know: what it was made from, and what was put into it."""

    __slots__ = ("args", "items", "state")

    def __init__(self, args: Any = None) -> None:
        self.args = args
        self.items: dict[Any, Any] | None = None
        self.state: Any = None


class _Missing:
    """A value of no use for names: a long string, a big number, bytes."""

    __slots__ = ()


_MISSING = _Missing()


def _call(function: Any, args: Any) -> Any:
    """What REDUCE makes: a tensor, where it is one of torch's rebuild functions, else a `_Thing`."""
    if type(function) is not _Global or type(args) is not tuple:
        return _Thing(args)
    made: Any = None
    match (function.module, function.name):
        case ("collections", "OrderedDict") if not args:
            made = {}
        case ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") if len(args) >= 4:
            made = _tensor(args, None)
        case ("torch._utils", "_rebuild_tensor_v3") if len(args) >= 7:
            made = _tensor(args, args[6])
        case ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") if args:
            made = args[0]
        case ("torch._tensor", "_rebuild_from_type_v2") if len(args) >= 3 and args[0] != function:
            made = _call(args[0], args[2])  # a subclass of Tensor; one level, so no deep recursion
    return _Thing(args) if made is None else made


def _tensor(args: tuple[Any, ...], dtype: Any) -> StorageView | None:
    storage, offset, shape, stride = args[:4]
    if not (
        type(storage) is Storage
        and type(offset) is int
        and _is_extents(shape)
        and _is_extents(stride)
        and len(shape) == len(stride) <= MAX_RANK_DIMENSIONS
    ):
        return None
    named = dtype.dtype if type(dtype) is _Global else storage.dtype
    return StorageView(storage, named, offset, shape, stride)


def _is_extents(value: Any) -> bool:
    return type(value) is tuple and all(type(item) is int and item >= 0 for item in value)


def _storage(pid: Any) -> Any:
    match pid:
        case ("storage", _Global() as kind, str() as key, *_):
            return Storage(key, kind.dtype)
    return _MISSING


# ---------------------------------------------------------------- names


def _walk(root: Any) -> Iterator[tuple[str, StorageView]]:
    stack = [("", iter([("", root)]))]
    visits = text = 0
    while stack:
        path, children = stack[-1]
        for part, value in children:
            visits += 1
            if visits > _MAX_VISITS:
                raise NotThisFormat("too many paths")
            if not isinstance(value, (dict, list, tuple, _Thing, StorageView)):
                continue
            below = f"{path}.{part}" if path and part else path or part
            if not is_name(below):
                continue
            if isinstance(value, StorageView):
                text += len(below)
                if text > _MAX_NAME_CHARACTERS:
                    raise NotThisFormat("names too long")
                yield below, value
            elif len(stack) <= _MAX_LEVELS:
                stack.append((below, _children(value)))
                break
        else:
            stack.pop()


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Parts of a value under their keys or positions; an object's own parts bear no key."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield ("" if key in _MODULE_PARTS else str(key)), child
    elif isinstance(value, (list, tuple)):
        for position, child in enumerate(value):
            yield str(position), child
    elif isinstance(value, _Thing):
        for part in (value.args, value.items, value.state):
            yield "", part


# ---------------------------------------------------------------- opcodes


class _Machine:
    """The pickle virtual machine (CPython's `pickletools` documents each opcode), over inert values."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below each MARK
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        data = self.data
        actions = _ACTIONS
        for _ in range(_MAX_OPCODES):
            opcode = data[self.at]
            self.at += 1
            if opcode == 0x2E:  # STOP
                return self.stack.pop()
            actions[opcode](self)
        raise NotThisFormat("pickle too long")

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise ValueError("truncated")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        end = self.data.index(b"\n", self.at, self.at + _MAX_LINE_BYTES)
        text = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    def marked(self) -> list[Any]:
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def text(self, width: int) -> None:
        raw = self.take(self.number(width))
        self.stack.append(raw.decode("utf-8") if len(raw) <= MAX_NAME_BYTES else _MISSING)

    def fixed(self, size: int) -> None:
        self.take(size)
        self.stack.append(_MISSING)

    def skip(self, width: int) -> None:
        self.take(self.number(width))
        self.stack.append(_MISSING)

    def long(self, width: int) -> None:
        raw = self.take(self.number(width))
        small = len(raw) <= 9
        self.stack.append(int.from_bytes(raw, "little", signed=True) if small else _MISSING)

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise IndexError("stack too short")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def tuple_marked(self) -> None:
        items = tuple(self.marked())
        self.stack.append(items)

    def frozenset_(self) -> None:
        self.marked()
        self.stack.append(_Thing())

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, _Thing):
            target.items = items = {} if target.items is None else target.items
        else:
            items = target
        if type(items) is not dict:
            raise TypeError("items of something that has none")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) in (str, int):  # a path needs a plain key; no other key is hashed
                items[key] = value

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(values)
        elif not isinstance(target, _Thing):  # a set, or a list's subclass: no paths lead into it
            raise TypeError("append to something that is no list")

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, _Thing):
            target.state = state

    def reduce(self) -> None:
        args = self.stack.pop()
        self.stack.append(_call(self.stack.pop(), args))

    def new(self, operands: int) -> None:
        del self.stack[-operands:]
        self.stack.append(_Thing())

    def global_(self) -> None:
        module = self.line()
        self.stack.append(_Global(module, self.line()))

    def stack_global(self) -> None:
        name = self.stack.pop()
        module = self.stack.pop()
        self.stack.append(_Global(module, name) if type(module) is type(name) is str else _MISSING)

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])


_ACTIONS: dict[int, Callable[[_Machine], object]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    0x28: _Machine.mark,
    0x30: lambda m: m.stack.pop(),  # POP
    0x31: lambda m: m.marked(),  # POP_MARK
    0x32: lambda m: m.push(m.stack[-1]),  # DUP
    # the memo
    0x71: lambda m: m.put(m.number(1)),  # BINPUT
    0x72: lambda m: m.put(m.number(4)),  # LONG_BINPUT
    0x94: lambda m: m.put(len(m.memo)),  # MEMOIZE
    0x68: lambda m: m.get(m.number(1)),  # BINGET
    0x6A: lambda m: m.get(m.number(4)),  # LONG_BINGET
    # scalars
    0x4E: lambda m: m.push(_MISSING),  # NONE
    0x88: lambda m: m.push(_MISSING),  # NEWTRUE
    0x89: lambda m: m.push(_MISSING),  # NEWFALSE
    0x4B: lambda m: m.push(m.number(1)),  # BININT1
    0x4D: lambda m: m.push(m.number(2)),  # BININT2
    0x4A: lambda m: m.push(int.from_bytes(m.take(4), "little", signed=True)),  # BININT
    0x8A: lambda m: m.long(1),  # LONG1
    0x8B: lambda m: m.long(4),  # LONG4
    0x47: lambda m: m.fixed(8),  # BINFLOAT
    0x58: lambda m: m.text(4),  # BINUNICODE
    0x8C: lambda m: m.text(1),  # SHORT_BINUNICODE
    0x8D: lambda m: m.text(8),  # BINUNICODE8
    0x54: lambda m: m.skip(4),  # BINSTRING
    0x55: lambda m: m.skip(1),  # SHORT_BINSTRING
    0x42: lambda m: m.skip(4),  # BINBYTES
    0x43: lambda m: m.skip(1),  # SHORT_BINBYTES
    0x8E: lambda m: m.skip(8),  # BINBYTES8
    0x96: lambda m: m.skip(8),  # BYTEARRAY8
    # containers
    0x5D: lambda m: m.push([]),  # EMPTY_LIST
    0x7D: lambda m: m.push({}),  # EMPTY_DICT
    0x8F: lambda m: m.push(_Thing()),  # EMPTY_SET
    0x29: lambda m: m.push(()),  # EMPTY_TUPLE
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    0x74: _Machine.tuple_marked,
    0x61: lambda m: m.append([m.stack.pop()]),  # APPEND
    0x65: lambda m: m.append(m.marked()),  # APPENDS
    0x90: lambda m: m.append(m.marked()),  # ADDITEMS
    0x91: _Machine.frozenset_,
    0x73: lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),  # SETITEM
    0x75: lambda m: m.set_items(m.marked()),  # SETITEMS
    # objects
    0x63: _Machine.global_,
    0x93: _Machine.stack_global,
    0x51: lambda m: m.push(_storage(m.stack.pop())),  # BINPERSID
    0x52: _Machine.reduce,
    0x81: lambda m: m.new(2),  # NEWOBJ
    0x92: lambda m: m.new(3),  # NEWOBJ_EX
    0x62: _Machine.build,
}
