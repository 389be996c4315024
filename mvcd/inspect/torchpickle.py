"""The tensors that a torch `data.pkl` describes, read without running any of it (mvcd/inspect/unpickle.py).

Globals are only compared with the names below, never imported. The walk for names is bounded on its own, since
a pickle of a few bytes can share one list 2^60 times, or contain itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mvcd.inspect.spans import DTYPE_BITS, MAX_RANK_DIMENSIONS, NotThisFormat, ReadAt, is_name
from mvcd.inspect.unpickle import MISSING, Gap, Global, Machine, Thing

_MAX_VISITS = 8_000_000
_MAX_NAME_CHARACTERS = 16 << 20  # characters of all names together
_MAX_LEVELS = 64

BYTES = "BYTES"
"""The dtype of bytes whose meaning is not known: they are equal or not, and have no figures."""

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
    "QInt8Storage": "QI8",
    "QUInt8Storage": "QU8",
    "QInt32Storage": "QI32",
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
    "complex32": "C32",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float4_e2m1fn_x2": "F4_X2",
}
"""Storage classes and dtypes of module torch. What is missing here is BYTES. F4_X2 has two numbers in each
element of its shape, so it is not safetensors' F4."""

_BITS = DTYPE_BITS | {
    "C128": 128, "C32": 32, "QI8": 8, "QU8": 8, "QI32": 32, "F4_X2": 8, BYTES: 8,
}  # fmt: skip

_MODULE_PARTS = frozenset({"_modules", "_parameters", "_buffers"})
"""Attributes of a pickled nn.Module left out of names, which then equal those of its state_dict."""


def bits_of(dtype: str) -> int:
    """Bits of an element. Quantised dtypes bear their scale: "QI8*0.1+0"."""
    return _BITS[dtype.partition("*")[0]]


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


def read(
    source: bytes | ReadAt, at: int = 0, end: int | None = None
) -> list[tuple[str, StorageView]]:
    """Every tensor of the pickle at byte `at` with its key path ("model.layer.weight"), in the pickle's order.

    A tensor reached over several paths is listed under each. Raises NotThisFormat.
    """
    return list(walk(Machine(source, call, storage_of, at=at, end=end).run()))


# ---------------------------------------------------------------- what torch's functions make


def call(function: Any, args: Any) -> Any:
    """What REDUCE makes: a tensor, where it is one of torch's rebuild functions, else a `Thing`."""
    if type(function) is not Global or type(args) is not tuple:
        return Thing(function, args)
    made: Any = None
    match (function.module, function.name):
        case ("collections", "OrderedDict") if not args:
            made = {}
        case ("torch", "Size") if len(args) == 1:
            made = args[0]
        case ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") if len(args) >= 4:
            made = _tensor(args, None)
        case ("torch._utils", "_rebuild_tensor_v3") if len(args) >= 7:
            made = _tensor(args, args[6])
        case ("torch._utils", "_rebuild_qtensor") if len(args) >= 5:
            made = _quantised(args)
        case ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") if args:
            made = args[0]
        case ("torch._tensor", "_rebuild_from_type_v2") if len(args) >= 3 and args[0] != function:
            made = call(args[0], args[2])  # a subclass of Tensor; one level, so no deep recursion
    return Thing(function, args) if made is None else made


def _tensor(args: tuple[Any, ...], dtype: Any) -> StorageView | None:
    storage, offset, shape, stride = args[:4]
    if not (
        type(storage) is Storage
        and type(offset) is int
        and offset >= 0
        and _is_extents(shape)
        and _is_extents(stride)
        and len(shape) == len(stride) <= MAX_RANK_DIMENSIONS
    ):
        return None
    named = dtype_of(dtype) if type(dtype) is Global else storage.dtype
    return StorageView(storage, named, offset, shape, stride)


def _quantised(args: tuple[Any, ...]) -> Any:
    """Its integers, under a dtype that bears scale and zero point; by channel, these are tensors beside it."""
    found = _tensor(args, None)
    if found is None:
        return None
    match args[4]:
        case (_, float() as scale, int() as zero):
            dtype = f"{found.dtype}*{scale:.9g}{zero:+d}"
            return StorageView(found.storage, dtype, found.offset, found.shape, found.stride)
        case (_, StorageView() as scales, StorageView() as zeros, int()):
            return {"": found, "scales": scales, "zero_points": zeros}
    return None


def dtype_of(kind: Global) -> str:
    """What a storage class or a dtype of torch is called here."""
    return DTYPES.get(kind.name, BYTES) if kind.module == "torch" else BYTES


def _is_extents(value: Any) -> bool:
    return type(value) is tuple and all(type(item) is int and item >= 0 for item in value)


def storage_of(pid: Any) -> Any:
    """What a persistent id stands for."""
    match pid:
        case ("storage", Global() as kind, str() as key, *_):
            return Storage(key, dtype_of(kind))
    return MISSING


# ---------------------------------------------------------------- names


def _is_tensor(value: Any) -> bool:
    return isinstance(value, StorageView)


def walk(root: Any, is_leaf: Callable[[Any], bool] = _is_tensor) -> Iterator[tuple[str, Any]]:
    """Tensors within a value, or what else is a leaf, each under the path that leads to it.

    What had no leaf is not entered again, unless fewer levels lead to it: the state of a program has many paths
    to the same few objects. Raises NotThisFormat for too many paths.
    """
    stack = [("", iter([("", root)] if isinstance(root, _LEADING) else []), 0, 0)]
    barren = dict[
        int, int
    ]()  # objects without leaves, by id, and the level at which they were entered
    visits = text = seen = 0
    while stack:
        path, children, own, before = stack[-1]
        for part, value in children:
            visits += 1
            if visits > _MAX_VISITS:
                raise NotThisFormat("too many paths")
            below = f"{path}.{part}" if path and part else path or part
            if not is_name(below):
                seen += 1  # under a shorter path there may be a leaf
                continue
            if is_leaf(value):
                seen += 1
                text += len(below)
                if text > _MAX_NAME_CHARACTERS:
                    raise NotThisFormat("names too long")
                yield below, value
            elif len(stack) < barren.get(id(value), _MAX_LEVELS + 1):
                visits += isinstance(value, (dict, list, tuple)) and len(value)
                stack.append((below, _children(value), id(value), seen))
                break
        else:
            stack.pop()
            if seen == before:
                barren[own] = len(stack)


_LEADING = (dict, list, tuple, Thing, StorageView)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Parts of a value under their keys or positions; an object's own parts bear no key."""
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(child, _LEADING):
                yield ("" if key in _MODULE_PARTS else str(key)), child
    elif isinstance(value, (list, tuple)):
        position = 0
        for child in value:
            if type(child) is Gap:
                position += child.items
                continue
            if isinstance(child, _LEADING):
                yield str(position), child
            position += 1
    elif isinstance(value, Thing):
        for part in (value.args, value.items, value.state):
            if isinstance(part, _LEADING):
                yield "", part
