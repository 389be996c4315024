"""What a file's content says of the part it is: a model, tensors of some kind, training state, or a table.

Whatever a reader of tensors takes (tensorfiles.py) is recognised, and signs tell further formats: headers only,
and one read of a file that begins like none of them. The answer is a function of the bytes alone, so whoever
knows a file's recipe knows its kind, and may remember it.
"""

from __future__ import annotations

import re
import struct
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from mvcd.inspect.beginnings import may_hold_tensors
from mvcd.inspect.spans import TOLD_BY_RECIPES, Layout, ReadAt
from mvcd.inspect.trainingstate import all_state
from mvcd.lateclasses import NamedTuple

if TYPE_CHECKING:
    from mvcd.inspect.tensorfile import TensorFile

EDITION = 1
"""Raised when the same bytes are judged otherwise: part of the rules' digest, and of what is remembered."""

_HEAD_BYTES = 4096
_MANY_SIGNS_BYTES = 16 << 10
_SMALLEST_BYTES = 8
_ONNX = "onnx"
_MAX_TIED_NAMES = 4096
"""Names of other files that a model needs."""

_ANY_NAME = "any.index"
"""A name under which readers also try what only a name tells them: the index of a TensorFlow checkpoint."""


class Says(StrEnum):
    """What content tells of the part a file is."""

    NOTHING = ""
    MODEL = "model"  # certain, wherever it lies
    TENSORS = "tensors"  # a container of tensors: weights, unless it lies among data
    STATE = "state"  # training state and nothing else
    ARRAYS = "arrays"  # data as often as weights: names decide
    TABLE = "table"  # data in a container that weights have too


class ContentKind(NamedTuple):
    """`format` names what was recognised, "" nothing. `tied`: names of files beside it that it needs."""

    format: str = ""
    says: Says = Says.NOTHING
    tied: tuple[str, ...] = ()

    def pack(self) -> bytes:
        return "\n".join((self.format, self.says.value, *self.tied)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> ContentKind:
        format, says, *tied = data.decode().split("\n")
        return cls(format, Says(says), tuple(tied))


UNKNOWN = ContentKind()

# Patterns are compiled when they are first used, which few commands do.

_ARRAYS = frozenset({"npy"})
_CONTAINERS = frozenset({"safetensors", "torch-zip", "torch-legacy", "npz", "hdf5", "pickle"})
"""Formats that hold whatever has arrays; any other format of tensors holds models."""

_PARAMETER = (
    r"(?:^|.*[./])(?:weight|bias|kernel|gamma|beta|scale|embedding|embeddings|running_mean|running_var"
    r"|num_batches_tracked|lora_[AB]|qweight|weight_[gv]|position_ids|[wb]\d?)(?::0)?$"
)

_STARTS: tuple[tuple[bytes, str, Says], ...] = (
    (b"GGUF", "gguf", Says.MODEL),
    (b"FUGG", "gguf", Says.MODEL),
    (b"lmgg", "ggml", Says.MODEL),
    (b"tjgg", "ggml", Says.MODEL),
    (b"fmgg", "ggml", Says.MODEL),
    (b"algg", "ggml", Says.MODEL),
    (b"\x93NUMPY", "npy", Says.ARRAYS),
    (b"CBM1", "catboost", Says.MODEL),
    (b"binf", "xgboost", Says.MODEL),
    (b"{L\0\0\0\0\0\0\0\x07learner{", "xgboost-ubj", Says.MODEL),
    (b"tree\nversion=", "lightgbm", Says.MODEL),
    (b"ftrt", "tensorrt", Says.MODEL),
    (b"ptrt", "tensorrt", Says.MODEL),
    (b"\xba\x16\x4f\x2f", "fasttext", Says.MODEL),
)
_ALL_STARTS = tuple(start for start, _, _ in _STARTS)
_AT_FOUR = {b"TFL3": "tflite", b"ORTM": "ort", b"ET12": "executorch", b"ET13": "executorch"}
"""Identifiers of FlatBuffers' files stand behind the first offset."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_KERAS = (
    b"model_weights",
    b"layer_names",
    b"keras_version",
    b"optimizer_weights",
    b"_layer_checkpoint",
)
_TABLES = (b"pandas_type", b"_NCProperties", b"_Netcdf4", b"anndata")
"""Attributes of HDF5 files that pandas, netCDF and AnnData write."""

_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch before 1.6, pickled
_LEARNERS = (
    rb"pandas[.]|sklearn[._]utils[._](?:_?bunch|Bunch)|sklearn\.utils\n?Bunch"
    rb"|sklearn[.]|xgboost[.]|lightgbm[.]|catboost[.]|torch[.]nn|torch[.]_utils|flax[.]|keras[.]|statsmodels[.]"
    rb"|hmmlearn[.]|imblearn[.]|skorch[.]|StructuredToParameterName|torch[.]distributed[.]checkpoint"
)
_XGBOOST = rb'\s*\{\s*"(?:learner"\s*:\s*\{|version"\s*:\s*\[[\d,\s]+\]\s*,\s*"learner")'
_LIGHTGBM = rb'\s*\{\s*"name"\s*:\s*"tree"\s*,'
_INDEX = rb'\s*\{(?:[^{}]|\{[^{}]*\})*"weight_map"\s*:\s*\{'
_TFJS = rb'(?s)\s*\{.{0,400}"(?:modelTopology|weightsManifest)"\s*:'
_CATBOOST = rb'(?s)\s*\{.{0,2000}"oblivious_trees"\s*:'


def kind_of(read_at: ReadAt, size: int, shape: Layout | None = None) -> ContentKind:
    """The kind of a file of `size` bytes. `shape`: its layout, if that is known already.

    `read_at` may raise OSError, which passes through; the content itself never makes this raise.
    """
    if size < _SMALLEST_BYTES:
        return UNKNOWN
    if shape is not None and shape.format in TOLD_BY_RECIPES:
        names = [span.tensor.name for span in shape.spans if span.tensor is not None]
        return ContentKind(shape.format, _of_tensors(shape.format, names))
    head = read_at(0, min(_HEAD_BYTES, size))
    return _by_start(head) or _by_signs(head, read_at, size) or _by_reader(head, read_at, size)


def may_tell(data: bytes) -> bool:
    """Whether `kind_of` has to look at a file of these bytes, for the price of two matches; or else it is
    UNKNOWN."""
    return _tellers().match(data) is not None or may_hold_tensors(data)


@cache
def _tellers() -> re.Pattern[bytes]:
    """How files begin of which anything may be said, by `_by_start` or `_by_signs`."""
    starts = b"|".join(map(re.escape, _ALL_STARTS))
    at_four = b"|".join(map(re.escape, _AT_FOUR))
    return re.compile(
        rb"(?s)%b|.{4}(?:%b)|%b|\x80|\s{0,63}\{" % (starts, at_four, re.escape(_HDF5))
    )


def _by_start(head: bytes) -> ContentKind | None:
    if head.startswith(_ALL_STARTS):
        return next(ContentKind(f, says) for start, f, says in _STARTS if head.startswith(start))
    format = _AT_FOUR.get(head[4:8], "")
    return ContentKind(format, Says.MODEL) if format and head[0] % 4 == 0 else None


def _by_signs(head: bytes, read_at: ReadAt, size: int) -> ContentKind | None:
    """What is certain by words near the beginning, so that no reader needs to go through the file."""
    if head.startswith(_HDF5):
        more = read_at(0, min(_MANY_SIGNS_BYTES, size))
        if any(sign in more for sign in _KERAS):
            return ContentKind("hdf5", Says.MODEL)
        return ContentKind("hdf5", Says.TABLE) if any(sign in more for sign in _TABLES) else None
    if (
        head[:1] == b"\x80"
        and _LEGACY not in head[:16]
        and (found := re.search(_LEARNERS, head)) is not None
    ):
        table = found[0].startswith(b"pandas") or b"unch" in found[0]
        return ContentKind("pickle", Says.TABLE if table else Says.MODEL)
    return _of_json(head) if head[:64].lstrip()[:1] == b"{" else None


def _by_reader(head: bytes, read_at: ReadAt, size: int) -> ContentKind:
    if not may_hold_tensors(head):
        return UNKNOWN  # for the price of one read
    from mvcd.inspect import tensorfiles, zipmembers  # late: start-up

    found = tensorfiles.read(read_at, size, _ANY_NAME)
    if found is not None:
        return of_file(found)
    if head.startswith(_HDF5):
        return ContentKind("hdf5", Says.TENSORS)
    if zipmembers.looks_like(head, size):
        return _of_zip(head)
    return ContentKind(
        "torch-legacy" if _LEGACY in head[:16] else "pickle" if head[0] == 0x80 else ""
    )


def of_file(found: TensorFile) -> ContentKind:
    """The kind of a file that a reader has read already."""
    return ContentKind(found.format, _of_tensors(found.format, list(found.tensors)), _tied(found))


def _of_tensors(format: str, names: list[str]) -> Says:
    if format in _ARRAYS:
        return Says.ARRAYS
    if all_state(names):
        return Says.STATE
    if format in _CONTAINERS and not any(re.match(_PARAMETER, name) for name in names):
        return Says.TENSORS
    return Says.MODEL


def _tied(found: TensorFile) -> tuple[str, ...]:
    """The files beside it in which its tensors lie. Those of TensorFlow follow from the file's own name, which
    is no part of its content, and have names that tell what they are."""
    if found.format != _ONNX:
        return ()
    ranges = (t.content for t in found.tensors.values() if not isinstance(t.content, bytes))
    names = {place.beside for content in ranges for place in content if place.beside}
    return tuple(sorted(name for name in names if "\n" not in name)[:_MAX_TIED_NAMES])


def _of_zip(head: bytes) -> ContentKind:
    """A zip of which no tensors are read, by the name of its first member: a directory may be of any length."""
    (length,) = struct.unpack_from("<H", head, 26)
    name = head[30 : 30 + length].decode("utf-8", "replace")
    if name.endswith("/data.pkl"):
        return ContentKind("torch-zip")  # an object without tensors: settings, a scheduler
    if name.endswith(".npy"):
        return ContentKind("npz", Says.TENSORS)
    if name in ("MAR-INF/MANIFEST.json", "model.weights.h5", "schema.json"):
        return ContentKind("model-zip", Says.MODEL)
    if name in ("metadata.json", "config.json") and b"keras_version" in head:
        return ContentKind("keras", Says.MODEL)
    if name.endswith(("/models/model.json", "serialized_exported_program.json", "/archive_format")):
        return ContentKind("torch-export", Says.MODEL)
    return ContentKind("zip")


_JSON = (
    (b"", 0, _XGBOOST, "xgboost-json"),
    (b"", 0, _LIGHTGBM, "lightgbm-json"),
    (b'"weight_map"', _HEAD_BYTES, _INDEX, "shard-index"),
    (b'"modelTopology"', 500, _TFJS, "tfjs"),
    (b'"weightsManifest"', 500, _TFJS, "tfjs"),
    (b'"oblivious_trees"', 2100, _CATBOOST, "catboost-json"),
)
"""Words without which a pattern, which takes 50 us to fail, need not be tried, and the first bytes among which
they are if it fits: 64 to the brace, and what the pattern lets pass. To look for six words in all of a JSON
file of 2.5 KB took 4 us. The patterns without a word fail at the first name."""


def _of_json(head: bytes) -> ContentKind | None:
    for word, within, pattern, format in _JSON:
        if head.find(word, 0, within) >= 0 and re.match(pattern, head):
            return ContentKind(format, Says.MODEL)
    return None
