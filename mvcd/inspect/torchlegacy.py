"""The file that `torch.save` wrote before torch 1.6, and still does without `_use_new_zipfile_serialization`.

    pickles     a magic number, 1001, facts of the system, the object, the keys of its storages
    storages    of each key in turn: 8 bytes with the number of elements, and these

Tensors are views of the storages (mvcd/inspect/torchviews.py). A file of a big-endian machine is plain bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mvcd.inspect import torchviews
from mvcd.inspect.spans import NotThisFormat, ReadAt, Span, read_exactly
from mvcd.inspect.tensorfile import StoredTensor
from mvcd.inspect.torchpickle import BYTES, Storage, bits_of, call, dtype_of, walk
from mvcd.inspect.unpickle import MISSING, Global, Machine, Missing

FORMAT = "torch-legacy"
_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""The first pickle after its two bytes of protocol: LONG1 of 0x1950a86a20f9469cfc6c, STOP."""
_PROTOCOL = 1001


def looks_like(head: bytes, size: int) -> bool:
    """Whether a file that begins with at least 9 bytes of `head` may be one."""
    return head[:1] == b"\x80" and _MAGIC.startswith(head[2:9]) and len(head) >= 9 and size > 32


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a file of `size` bytes. Raises NotThisFormat."""
    return torchviews.spans(*_parts(read_at, size), size)


def tensors(read_at: ReadAt, size: int) -> dict[str, StoredTensor]:
    """Every tensor by every name it has. Raises NotThisFormat."""
    return torchviews.tensors(*_parts(read_at, size))


def _parts(read_at: ReadAt, size: int) -> tuple[dict[str, Span], torchviews.Described]:
    """The storages in the order of the file, and what the pickle says of them."""
    widths, root, keys, at = _pickles(read_at, size)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise NotThisFormat("no keys of storages")
    storages: dict[str, Span] = {}
    numbers: dict[str, str] = {}
    for key in keys:
        count = int.from_bytes(read_exactly(read_at, at, 8), "little")
        length = count * widths.get(key, 0)
        if key in numbers or key not in widths or length > size - at - 8:
            raise NotThisFormat("no storage of this size")
        numbers[key] = str(len(numbers))  # the keys are addresses, others in each file
        if length:
            storages[numbers[key]] = Span(at + 8, length)
        at += 8 + length
    described = [
        (name, replace(tensor, storage=Storage(numbers[tensor.storage.key], tensor.storage.dtype)))
        for name, tensor in walk(root)
        if tensor.storage.key in numbers
    ]
    return storages, described


def _pickles(read_at: ReadAt, size: int) -> tuple[dict[str, int], Any, Any, int]:
    """Bytes per element of each storage, the object, the keys, and where the storages begin."""
    widths: dict[str, int] = {}

    def persistent(pid: Any) -> Any:
        match pid:
            case ("storage", Global() as kind, str() as key, _, int(), Missing()):
                dtype = dtype_of(kind)
                if dtype != BYTES or kind.name == "UntypedStorage":  # else no length follows
                    widths[key] = bits_of(dtype) // 8
                    return Storage(key, dtype)
        return MISSING

    magic = Machine(read_at, end=size)
    magic.run()
    protocol = Machine(read_at, at=magic.position, end=size)
    if protocol.run() != _PROTOCOL:
        raise NotThisFormat("another protocol")
    facts = Machine(read_at, at=protocol.position, end=size)
    said = facts.run()
    if type(said) is not dict or said.get("little_endian") is not True:
        raise NotThisFormat("not little-endian")
    body = Machine(read_at, call, persistent, at=facts.position, end=size)
    root = body.run()
    keys = Machine(read_at, at=body.position, end=size)
    listed = keys.run()
    return widths, root, listed, keys.position
