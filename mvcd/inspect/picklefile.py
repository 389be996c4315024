"""Arrays of numpy within pickles, and in what joblib writes: scikit-learn, `.pdparams` of PaddlePaddle.

The pickle is read by its opcodes and never run (mvcd/inspect/unpickle.py). An array is there as one of

    numpy's `_reconstruct`, and a state of (version, shape, dtype, whether in Fortran's order, bytes)
    numpy's `_frombuffer` of (bytes, dtype, shape, order)             protocol 5
    joblib's NumpyArrayWrapper, behind which come a byte, that many bytes of padding, and the elements

An array is called by the path that leads to it: `coef_`, `steps.1.1.coef_`. Arrays of objects have no bytes.
Of compressed ones see mvcd/inspect/packedpickle.py.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

from mvcd.inspect.npz import dtype_of
from mvcd.inspect.spans import MAX_RANK_DIMENSIONS, MAX_TENSORS, NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from mvcd.inspect.torchpickle import walk
from mvcd.inspect.unpickle import Global, Machine, Raw, Thing

FORMAT = "pickle"
_NUMPY = ("numpy.core.", "numpy._core.")
_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_KIND = re.compile(r"[a-zA-Z]\d{1,6}")


def looks_like(head: bytes, size: int) -> bool:
    return len(head) > 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5) and size > 16


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a pickle without arrays."""
    root = Machine(read_at, built=_built, end=size).run()
    tensors: dict[str, StoredTensor] = {}
    for name, thing in walk(root, _is_array):
        found = _array(name or "array", thing)
        if found is not None:
            tensors.setdefault(found.name, found)
        if len(tensors) > MAX_TENSORS:
            raise NotThisFormat("too many tensors")
    if not tensors:
        raise NotThisFormat("a pickle without arrays")
    return TensorFile(FORMAT, tensors)


def _is_array(value: Any) -> bool:
    if type(value) is not Thing or type(value.made_by) is not Global:
        return False
    module, name = value.made_by
    ours = name in ("_reconstruct", "_frombuffer") and module.startswith(_NUMPY)
    return ours or value.made_by == _WRAPPER


def _array(name: str, thing: Thing) -> StoredTensor | None:
    """None for one of objects, or whose bytes are not here in one piece, as in protocol 2."""
    match thing.made_by.name, thing.args, thing.state:
        case "_reconstruct", _, (
            _,
            tuple() as shape,
            Thing() as dtype,
            bool() as turned,
            Raw() as raw,
        ):
            pass
        case "_frombuffer", (Raw() as raw, Thing() as dtype, tuple() as shape, str() as order), _:
            turned = order == "F"
        case "NumpyArrayWrapper", Raw() as raw, {
            "shape": tuple() as shape,
            "dtype": Thing() as dtype,
        } as state:
            turned = state.get("order") == "F"
        case _:
            return None
    known = _dtype(dtype)
    fits = len(shape) <= MAX_RANK_DIMENSIONS and all(
        type(extent) is int and extent >= 0 for extent in shape
    )
    if known is None or not fits or prod(shape) * known[1] != raw.size:
        return None
    turned = turned and sum(extent != 1 for extent in shape) > 1
    order_of_axes = tuple(reversed(range(len(shape)))) if turned else ()
    return StoredTensor(name, known[0], shape, (Range(raw.at, raw.size),), order_of_axes)


def _dtype(thing: Thing) -> tuple[str, int] | None:
    """Name and bytes of a numpy.dtype; None for objects, and for bytes in an order that is none."""
    match thing.made_by, thing.args:
        case Global("numpy", "dtype"), (str() as kind, *_) if _KIND.fullmatch(kind):
            pass
        case _:
            return None
    match thing.state:
        case (_, ("<" | ">" | "=" | "|") as order, *_):
            pass
        case None:  # a dtype of one byte, or none that was set
            order = "<"
        case _:
            return None
    try:
        return dtype_of(order.replace("=", "<") + kind)
    except NotThisFormat:
        return None


def _built(machine: Machine, thing: Thing) -> None:
    """Passes over the elements that follow joblib's wrapper."""
    if thing.made_by != _WRAPPER or type(thing.state) is not dict:
        return
    match thing.state:
        case {"shape": tuple() as shape, "dtype": Thing() as dtype}:
            known = _dtype(dtype)
            if known is None:
                raise NotThisFormat("an array of objects, pickled behind its wrapper")
            if not all(
                type(extent) is int and 0 <= extent < 1 << 48
                for extent in shape[:MAX_RANK_DIMENSIONS]
            ):
                raise NotThisFormat("no shape")
            if type(thing.state.get("numpy_array_alignment_bytes")) is int:
                machine.skip(machine.number(1))
            size = prod(shape[:MAX_RANK_DIMENSIONS]) * known[1]
            thing.args = Raw(machine.position, size)
            machine.skip(size)
