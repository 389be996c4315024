"""The readers of all formats that have tensors, and which of them takes a file."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mvcd.inspect import (
    dcp,
    flaxpack,
    gguf,
    hdf5,
    lightgbm,
    npz,
    onnx,
    orbax,
    packedpickle,
    picklefile,
    safetensors,
    savedmodel,
    tfcheckpoint,
    tflite,
    torchexport,
    torchlegacy,
    torchzip,
    xgboost,
    zipmembers,
)
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Beside, Range, StoredTensor, TensorFile


def read(
    head: bytes, read_at: ReadAt, size: int, name: str, beside: Beside | None, *, cutting: bool
) -> TensorFile | None:
    """Reads as `tensorfiles.read` does, which looked at the `head` and asks only if it may be one of these."""
    try:
        return _read(head, read_at, size, name, beside, _BY_HEAD if cutting else _BY_HEAD + _WITHIN)
    except NotThisFormat:
        return None


def _read(
    head: bytes, read_at: ReadAt, size: int, name: str, beside: Beside | None, readers: _Readers
) -> TensorFile | None:
    reader = next((read for looks_like, read in readers if looks_like(head, size)), None)
    found = None
    if reader is picklefile.read and dcp.looks_like(read_at, size):
        found = dcp.read(read_at, size, beside)
    elif orbax.looks_like(head, size):
        found = orbax.read(read_at, size, beside)
    elif reader is not None:
        found = reader(read_at, size)
    elif name.endswith(".index") and tfcheckpoint.looks_like(read_at, size):
        found = tfcheckpoint.read(read_at, size, name)
    elif safetensors.looks_like(head, size):
        found = _safetensors(read_at, size)
    for last in (onnx, savedmodel):  # without a magic of their own
        if found is None and last.looks_like(head, size):
            found = last.read(read_at, size)
    return found


def _zip(read_at: ReadAt, size: int) -> TensorFile | None:
    found = _torch(torchzip, read_at, size) or _torch(torchexport, read_at, size)
    return found or _keras(read_at, size) or npz.read_npz(read_at, size)


def _legacy(read_at: ReadAt, size: int) -> TensorFile | None:
    return _torch(torchlegacy, read_at, size)


def _torch(reader: ModuleType, read_at: ReadAt, size: int) -> TensorFile | None:
    try:
        found = reader.tensors(read_at, size)
    except NotThisFormat:
        return None
    return TensorFile(reader.FORMAT, found) if found else None


def _keras(read_at: ReadAt, size: int) -> TensorFile | None:
    try:
        return hdf5.read_keras(read_at, size)
    except NotThisFormat:
        return None


def _safetensors(read_at: ReadAt, size: int) -> TensorFile | None:
    tensors = {
        t.name: StoredTensor(t.name, t.dtype, t.shape, (Range(span.offset, span.size),))
        for span in safetensors.spans(read_at, size)
        if (t := span.tensor) is not None
    }
    if not tensors:
        return None
    return TensorFile(safetensors.FORMAT, tensors, safetensors.metadata(read_at, size))


_Readers = tuple[
    tuple[Callable[[bytes, int], bool], Callable[[ReadAt, int], TensorFile | None]], ...
]

_BY_HEAD: _Readers = (
    (gguf.looks_like, gguf.read),
    (npz.looks_like, npz.read_npy),
    (zipmembers.looks_like, _zip),
    (torchlegacy.looks_like, _legacy),
    (picklefile.looks_like, picklefile.read),
    (flaxpack.looks_like, flaxpack.read),
    (hdf5.looks_like, hdf5.read),
    (tflite.looks_like, tflite.read),
)
"""Formats that the first bytes tell; the first that matches decides."""

_WITHIN: _Readers = (
    (xgboost.looks_like, xgboost.read),
    (lightgbm.looks_like, lightgbm.read),
    (packedpickle.looks_like, packedpickle.read),
)
"""Those without tensors, or with compressed ones only."""
