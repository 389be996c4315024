"""How a file was read for its tensors, and what was not understood of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from mvcd.inspect import (
    gguf,
    hdf5,
    npz,
    onnx,
    orbax,
    safetensors,
    tensorfiles,
    torchlegacy,
    torchzip,
)
from mvcd.inspect.kinds import ContentKind
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Beside
from mvcd.inspect.trainingstate import state_in

_HEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Tensors:
    """`parameters`: elements of all tensors but those of training state, which `state` counts (tensors), and
    those that are tied to others.

    `problem` says why there are none, or what was passed over.
    """

    format: str
    tensors: int = 0
    parameters: int = 0
    state: int = 0
    problem: str | None = None


def tensors(
    read_at: ReadAt, size: int, path: str, kind: ContentKind, beside: Beside | None = None
) -> Tensors | None:
    """None for what neither is in a format of tensors nor begins like one. `beside` opens files that a format
    keeps its tensors in. `read_at` may raise OSError."""
    found = tensorfiles.read(read_at, size, path.rpartition("/")[2], beside)
    if found is not None:
        names = list(found.tensors)
        state = state_in(path, names)
        own = (t for name, t in found.tensors.items() if name not in state and not t.repeats)
        shapes = (t.shape for t in own)
        if found.format == orbax.FORMAT and beside is not None and not names:
            why = orbax.refusal(beside) if found.metadata["ocdbt"] else None
            return Tensors(found.format, problem=why or "none of its arrays is here")
        coded = sum(tensor.coded for tensor in found.tensors.values())
        return Tensors(
            found.format, len(names), sum(map(prod, shapes)), len(state), _in_code(coded) or None
        )
    problem = _refusal(read_at, size)
    if problem is None and not kind.format:
        piece = orbax.piece_of(path)
        return None if piece is None else Tensors(piece)
    if problem is None and kind.says:
        problem = "recognised, but its tensors are not read: compared by its bytes"
    return Tensors(kind.format, problem=problem)


def _in_code(count: int) -> str:
    """ "the elements of 3 tensors are packed in a way that is not read: compared by their bytes"."""
    which = "a tensor are" if count == 1 else f"{count:,} tensors are"
    why = "packed in a way that is not read: compared by their bytes"
    return f"the elements of {which} {why}" if count else ""


_READERS = (
    (safetensors.looks_like, safetensors.spans),
    (gguf.looks_like, gguf.read),
    (npz.looks_like, npz.read_npy),
    (torchzip.looks_like, torchzip.spans),
    (torchlegacy.looks_like, torchlegacy.spans),
    (hdf5.looks_like, hdf5.read),
    (onnx.looks_like, onnx.read),
)
"""Those that say why. A pickle or MessagePack of other things than arrays is not in question."""


def _refusal(read_at: ReadAt, size: int) -> str | None:
    """Why the format that it begins like does not take it."""
    head = read_at(0, min(_HEAD_BYTES, size))
    read = next((read for looks_like, read in _READERS if looks_like(head, size)), None)
    try:
        if read is not None:
            read(read_at, size)
    except NotThisFormat as verdict:
        return str(verdict)
    return None
