"""Reading a file's tensors and metadata, whatever its format: headers only, by content.

What does not parse has none: the answer is None, never an error, after a bounded amount of memory and work.
"""

from __future__ import annotations

from mvcd.inspect import gguf, npz, onnx, safetensors, tfcheckpoint, zipmembers
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile

_HEAD_BYTES = 16


def read(read_at: ReadAt, size: int, name: str = "") -> TensorFile | None:
    """The tensors of a file of `size` bytes. Its `name`, without directories, matters only to formats whose
    data lies in other files beside it.

    `read_at` may raise OSError, which passes through; the content itself never makes this raise.
    """
    try:
        return _read(read_at, size, name)
    except NotThisFormat:
        return None


def _read(read_at: ReadAt, size: int, name: str) -> TensorFile | None:
    head = read_at(0, min(_HEAD_BYTES, size))
    found = None
    if gguf.looks_like(head, size):
        found = gguf.read(read_at, size)
    elif npz.looks_like(head, size):
        found = npz.read_npy(read_at, size)
    elif zipmembers.looks_like(head, size):
        found = _from_layout(read_at, size) or npz.read_npz(read_at, size)
    elif name.endswith(".index") and tfcheckpoint.looks_like(read_at, size):
        found = tfcheckpoint.read(read_at, size, name)
    elif safetensors.looks_like(head, size):
        found = _from_layout(read_at, size)
    if found is None and onnx.looks_like(head, size):  # no magic of its own, so it comes last
        found = onnx.read(read_at, size)
    return found


def _from_layout(read_at: ReadAt, size: int) -> TensorFile | None:
    """A format whose tensors rule the cutting."""
    found = layout(read_at, size)
    if found is None:
        return None
    tensors = {
        t.name: StoredTensor(t.name, t.dtype, t.shape, (Range(span.offset, span.size),))
        for span in found.spans
        if (t := span.tensor) is not None
    }
    metadata = safetensors.metadata(read_at, size) if found.format == safetensors.FORMAT else {}
    return TensorFile(found.format, tensors, metadata)
