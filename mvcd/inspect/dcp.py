"""The `.metadata` of a checkpoint of torch.distributed.checkpoint: which tensors lie where in its shards.

    Metadata                a pickle of torch/distributed/checkpoint/metadata.py, read by its opcodes, never run
      state_dict_metadata   name: dtype, shape, and the chunks that it was saved in, by offsets and sizes
      storage_data          (name, offsets): the shard's name, and where in it the saved chunk lies

A chunk is a zip of torch.save within its shard (mvcd/inspect/dcpshard.py), so where its elements lie is only
known from the shard. Where that cannot be opened, or a chunk went through a transformation (compression), the
tensor is what its saved chunks are, in a code that is not read. Objects that are no tensors are not listed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mvcd.inspect.dcpshard import saved_at
from mvcd.inspect.slices import assembled
from mvcd.inspect.spans import (
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
)
from mvcd.inspect.tensorfile import Beside, Range, StoredTensor, TensorFile
from mvcd.inspect.torchpickle import BYTES, bits_of, call, dtype_of
from mvcd.inspect.unpickle import Global, Machine, Thing

FORMAT = "torch-dcp"
_MODULE = "torch.distributed.checkpoint.metadata"
_LOOKED_AT_BYTES = 128
_MAX_SHARDS = 100_000

_Offsets = tuple[int, ...]


def looks_like(read_at: ReadAt, size: int) -> bool:
    """By the first name in the pickle."""
    return _MODULE.encode() in read_at(0, min(_LOOKED_AT_BYTES, size))


def read(read_at: ReadAt, size: int, beside: Beside | None = None) -> TensorFile:
    """`beside` opens the shards. Raises NotThisFormat, also for a checkpoint without tensors."""
    stored = _Stored(beside)
    root = Machine(read_at, call, keyed=stored.add, end=size).run()
    match root:
        case Thing(
            made_by=Global(module, "Metadata"), state={"state_dict_metadata": dict() as said}
        ):
            if module != _MODULE:
                raise NotThisFormat("somebody else's metadata")
        case _:
            raise NotThisFormat("no metadata of a checkpoint")
    tensors: dict[str, StoredTensor] = {}
    for name, thing in said.items():
        found = _tensor(name, thing, stored) if type(name) is str and is_name(name) else None
        if found is not None:
            tensors[name] = found
        if len(tensors) > MAX_TENSORS:
            raise NotThisFormat("too many tensors")
    if not tensors:
        raise NotThisFormat("a checkpoint without tensors")
    return TensorFile(FORMAT, tensors, {"shards": len(stored.shards)})


class _Stored:
    """Where the chunks lie, and the shards that were opened."""

    def __init__(self, beside: Beside | None) -> None:
        self._beside = beside
        self._opened: dict[str, tuple[ReadAt, int] | None] = {}
        self._places: dict[tuple[str, _Offsets], tuple[Range, bool]] = {}
        self.shards: set[str] = set()

    def add(self, index: Thing, info: Any) -> None:
        """Takes an item of `storage_data`; what is none is passed over."""
        match index.state, info:
            case (
                {"fqn": str() as name, "offset": tuple() as offsets},
                Thing(
                    state={
                        "relative_path": str() as path,
                        "offset": int() as at,
                        "length": int() as size,
                    } as said
                ),
            ) if at >= 0 and size >= 0 and _is_plain(path):
                self.shards.add(path)
                if len(self.shards) > _MAX_SHARDS:
                    raise NotThisFormat("too many shards")
                plain = not said.get("transform_descriptors")
                self._places[name, offsets] = Range(at, size, path, coded=True), plain

    def coded(self, name: str, offsets: _Offsets) -> Range | None:
        found = self._places.get((name, offsets))
        return None if found is None else found[0]

    def saved(self, name: str, offsets: _Offsets) -> StoredTensor | None:
        """The chunk as its shard holds it; None where that does not tell."""
        found = self._places.get((name, offsets))
        if found is None or not found[1] or self._beside is None:
            return None
        place = found[0]
        if place.beside not in self._opened:
            self._opened[place.beside] = self._beside(place.beside)
        opened = self._opened[place.beside]
        if opened is None or place.offset + place.size > opened[1]:
            return None
        try:
            return saved_at(opened[0], place.offset, place.size)
        except NotThisFormat:
            return None


def _is_plain(path: str) -> bool:
    """Whether it names a file of the same directory, and no other."""
    return is_name(path) and path not in ("", ".", "..") and not {"/", "\\", "\0"} & set(path)


def _tensor(name: str, thing: Any, stored: _Stored) -> StoredTensor | None:
    """None for an object that is no tensor, and for one of which some chunk is nowhere."""
    match thing:
        case Thing(
            made_by=Global(_, "TensorStorageMetadata"),
            state={
                "properties": Thing(state=(Global() as kind, *_)),
                "size": tuple() as shape,
                "chunks": list() as listed,
            },
        ) if _is_extents(shape):
            dtype = dtype_of(kind)
        case _:
            return None
    chunks = [_chunk(each, len(shape)) for each in listed]
    coded = [stored.coded(name, chunk[0]) for chunk in chunks if chunk is not None]
    if dtype == BYTES or len(coded) != len(listed) or not coded or None in coded:
        return None
    known = [chunk for chunk in chunks if chunk is not None]
    exact = _exact(name, dtype, shape, known, stored)
    if exact is not None:
        return exact
    return StoredTensor(name, dtype, shape, tuple([place for place in coded if place is not None]))


def _exact(
    name: str,
    dtype: str,
    shape: tuple[int, ...],
    chunks: list[tuple[_Offsets, tuple[int, ...]]],
    stored: _Stored,
) -> StoredTensor | None:
    """The tensor by the bytes of its elements; None where the shards do not tell."""
    slices = []
    order: tuple[int, ...] = ()
    for offsets, sizes in chunks:
        saved = stored.saved(name, offsets)
        place = stored.coded(name, offsets)
        if saved is None or place is None or (saved.dtype, saved.shape) != (dtype, sizes):
            return None
        assert isinstance(saved.content, tuple)
        here = [replace(part, beside=place.beside) for part in saved.content]
        if len(here) != 1 or saved.order:
            if len(chunks) > 1 or sizes != shape:
                return None
            return StoredTensor(name, dtype, shape, tuple(here), saved.order)
        slices.append((tuple(zip(offsets, sizes, strict=True)), here[0]))
    content = assembled(slices, shape, bits_of(dtype) // 8)
    return None if content is None else StoredTensor(name, dtype, shape, content, order)


def _chunk(thing: Any, rank: int) -> tuple[_Offsets, tuple[int, ...]] | None:
    match thing:
        case Thing(state={"offsets": tuple() as offsets, "sizes": tuple() as sizes}) if (
            _is_extents(offsets) and _is_extents(sizes) and len(offsets) == len(sizes) == rank
        ):
            return offsets, sizes
    return None


def _is_extents(value: tuple[Any, ...]) -> bool:
    return len(value) <= MAX_RANK_DIMENSIONS and all(
        type(extent) is int and 0 <= extent < 1 << 48 for extent in value
    )
