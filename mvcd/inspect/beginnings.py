"""The first bytes of files that may hold tensors: what begins otherwise is passed over for one match.

This is apart from the readers, which are 30 modules: most files that are committed are none of theirs.
"""

from __future__ import annotations

import re

HEAD_BYTES = 16
"""Bytes that tell."""

_BEGINNINGS = (
    rb"(?s)GGUF|\x93NUMPY|PK\x03\x04|\x89HDF|[\x80-\x8f\xde\xdf]|\x08[\x01-\x3f]|\0\0|.{4}\0{4}[{ \t\r\n]"
    rb"|.{4}TFL3|\{\"(?:learner|tree_metadata)|\{L|tree\n|\x1f\x8b|BZh|\xfd7zXZ|\]\0\0|x[\x01\x5e\x9c\xda]"
    rb"|\n[\x80-\xff]{0,3}[\x02-\x7f]\n[\x01-\x7f]"
)
"""How files begin that a reader may take: GGUF, numpy, zip, HDF5, pickle and MessagePack, ONNX and SavedModel,
TensorFlow's index, safetensors (the size of its header in 8 bytes, of which four are 0), TensorFlow Lite, Orbax
and xgboost, LightGBM, what gzip, bzip2, xz and zlib pack, and a graph of TensorFlow."""


def may_hold_tensors(head: bytes) -> bool:
    """Whether a reader of tensors may take a file, by its first HEAD_BYTES."""
    return re.match(_BEGINNINGS, head) is not None
