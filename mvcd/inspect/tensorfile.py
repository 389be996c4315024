"""One value for the tensors of a file, whatever its format: names, dtypes, shapes, and where their bytes lie.

Unlike a `Layout` it rules no cut points, so it may say more: metadata, tensors in other files, compressed ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType
from typing import Literal, NamedTuple

from mvcd.inspect.spans import TOLD_BY_RECIPES, ReadAt

Beside = Callable[[str], tuple[ReadAt, int] | None]
"""Opens the file of that name in the same directory: how it is read, and its size in bytes; None for none."""


@dataclass(frozen=True, slots=True)
class Digested:
    """A long list of a header (a vocabulary): how many of what, and a digest that equal lists share."""

    kind: str
    count: int
    digest: str  # BLAKE2b-128, hex

    def __str__(self) -> str:
        return f"{self.count:,} x {self.kind} ({self.digest[:10]})"


Metadata = (
    str | int | float | bool | None | Digested | tuple["Metadata", ...] | Mapping[str, "Metadata"]
)
"""What headers say besides tensors, read into inert values."""

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,3})?")

LISTED_VALUES = 64
"""The longest list that is kept as it is."""


def number_in(text: str) -> str | int | float:
    """The number that a text is, or the text itself."""
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    return int(text) if text.lstrip("-").isdigit() else number if isfinite(number) else text


def digested(texts: Sequence[str]) -> Metadata:
    """A list of texts as metadata: itself, or digested if it is long."""
    import hashlib  # late: start-up

    if len(texts) <= LISTED_VALUES:
        return tuple(texts)
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "replace")
        digest.update(len(data).to_bytes(8, "little") + data)
    return Digested("text", len(texts), digest.hexdigest())


Codec = Literal["deflate", "zstd", "lzf", "plain"]
"""How a range is packed: a raw DEFLATE stream (RFC 1951), a frame of Zstandard (RFC 8878), LZF as h5py writes
it, or not at all."""


class Planes(NamedTuple):
    """What is unpacked has the first byte of each of `elements`, then the second of each, up to `width`."""

    width: int
    elements: int


class Tile(NamedTuple):
    """A chunk of a block of elements: runs of `run` bytes, `counts` of them along each axis, outermost first.
    In what `place` holds they lie `inner` bytes apart from byte 0 on, in the block `outer` from byte `start`
    on."""

    place: Range
    start: int
    counts: tuple[int, ...]
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    run: int


@dataclass(frozen=True, slots=True)
class Range:
    """`size` bytes at `offset` of the file itself, or of the file called `beside` in the same directory.

    With `unpacked`, the range is packed as `codec` says, and what it holds, put in order from `planes`, begins
    with that many bytes, of which the first `skip` are a header. With `coded`, it holds elements in a code that
    is not read here: equal bytes are equal elements, and more is not known. With `literal`, those are its
    bytes, which some header holds, and they lie in no file. With `tiles`, it is a block of
    `unpacked` bytes whose elements lie in several places, and has none itself.
    """

    offset: int
    size: int
    beside: str = ""
    unpacked: int | None = None
    skip: int = 0
    coded: bool = False
    codec: Codec = "deflate"
    planes: Planes | None = None
    literal: bytes = b""
    tiles: tuple[Tile, ...] = ()

    @property
    def parts(self) -> tuple[Range, ...]:
        """The places that bytes are read from."""
        return tuple([tile.place for tile in self.tiles]) or (self,)

    def each(self, change: Callable[[Range], Range]) -> Range:
        """The same with every place changed."""
        if not self.tiles:
            return change(self)
        tiles = [tile._replace(place=change(tile.place)) for tile in self.tiles]
        return replace(self, tiles=tuple(tiles))

    @property
    def length(self) -> int:
        """Bytes of the tensor itself."""
        return self.size if self.unpacked is None else self.unpacked - self.skip


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """`dtype` in safetensors' spelling, or the format's own where safetensors has none ("Q4_K", "C128").

    `content`: the bytes themselves when the header holds them, else the ranges that follow one another.
    `order`: the axes as the bytes run through them, outermost first, where that is not the order of the shape
    (Fortran, channels_last). `repeats`: all its bytes are also those of tensors before it (tied weights).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: bytes | tuple[Range, ...]
    order: tuple[int, ...] = ()
    repeats: bool = False

    @property
    def coded(self) -> bool:
        """Whether its elements lie in a code that is not read here; sizes are then those of the code."""
        return not isinstance(self.content, bytes) and any(part.coded for part in self.content)

    @property
    def size(self) -> int:
        """Bytes of its elements."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return sum(part.length for part in self.content)

    @property
    def stored_size(self) -> int:
        """Bytes they take in the file, perhaps compressed."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return sum(part.size for place in self.content for part in place.parts)


@dataclass(frozen=True, slots=True)
class TensorFile:
    """`format` names the reader: "safetensors", "torch-zip", "npz", "gguf", "onnx", "tf-checkpoint", ..."""

    format: str
    tensors: Mapping[str, StoredTensor]
    metadata: Mapping[str, Metadata] = field(default_factory=lambda: MappingProxyType({}))


WITHOUT_METADATA = TOLD_BY_RECIPES | {
    "torch-zip", "torch-legacy", "torch-export", "torch-dcp-shard",
}  # fmt: skip
"""Formats whose headers say nothing of the model besides its tensors."""


def may_lean_on_others(name: str) -> bool:
    """Whether data of a file of this name may lie in files beside it, so that it can change alone."""
    return name.endswith((".onnx", ".index", ".metadata", "_METADATA"))


def is_headed_beside(name: str) -> bool:
    """Whether even the shapes of tensors that a file of this name lists stand in other files beside it."""
    return name.rpartition("/")[2] == "_METADATA"


def is_told_beside(name: str) -> bool:
    """Whether the tensors of a file of this name have their names in an index beside it, which lists them."""
    return name.endswith(".distcp")
