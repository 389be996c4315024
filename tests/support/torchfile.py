"""Files as `torch.save` writes them, without torch: storages, and tensors that are views of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

CLASSES = {
    "F32": "FloatStorage",
    "F64": "DoubleStorage",
    "I64": "LongStorage",
    "F16": "HalfStorage",
}


class View(NamedTuple):
    """Offset and strides in elements; strides None for the order of the shape."""

    storage: str
    shape: tuple[int, ...]
    offset: int = 0
    stride: tuple[int, ...] | None = None
    dtype: str = "F32"


def torch_zip(views: Mapping[str, View], storages: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as written:
        written.writestr("archive/data.pkl", pickled(views))
        for key, data in storages.items():
            written.writestr(f"archive/data/{key}", data)
    return out.getvalue()


def pickled(views: Mapping[str, View]) -> bytes:
    """The dict of them, in opcodes of protocol 2."""
    items = b"".join(_text(name) + _tensor(view) for name, view in views.items())
    return b"\x80\x02}(" + items + b"u."


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _int(number: int) -> bytes:
    return b"J" + number.to_bytes(4, "little")


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _tensor(view: View) -> bytes:
    stride = view.stride
    if stride is None:
        steps, step = [], 1
        for extent in reversed(view.shape):
            steps.append(step)
            step *= extent
        stride = tuple(reversed(steps))
    kind = b"ctorch\n" + CLASSES[view.dtype].encode() + b"\n"
    storage = _tuple(_text("storage"), kind, _text(view.storage), _text("cpu"), _int(0)) + b"Q"
    extents = _tuple(*map(_int, view.shape)), _tuple(*map(_int, stride))
    args = _tuple(storage, _int(view.offset), *extents, b"\x89", b"ccollections\nOrderedDict\n)R")
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + args + b"R"
