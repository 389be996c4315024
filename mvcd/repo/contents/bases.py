"""Which chunk a tensor's piece may be stored as a difference from: the same piece of the same tensor, before.

Between checkpoints of one run the sign, the exponent and the upper mantissa of most weights stay, so XOR with
the one before leaves mostly zeros there. The base is always a chunk stored whole (depth 1): if the piece before
is itself a difference, its own base is taken, so reading never needs more than two chunks. Which base is right
was found to matter more than the codec (TensorDex, SOSP'26); for a version control system the parent version
is the first candidate and costs nothing to find.

A tensor is looked for in the parent's version of its file, and then in the files of weights whose paths are
most like its own: `checkpoint-20/model.safetensors` for `checkpoint-30/model.safetensors`, the shards of a
model that was sharded anew. It has to have the same name, dtype and shape.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from itertools import chain, islice

from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId, RecipeId
from mvcd.inspect.layout import TensorInfo
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe, Segment, parts
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import VersionFiles, recipe_of
from mvcd.store.api import Store

MAX_LIKE_FILES = 64
"""Files with like paths that a tensor is looked for in: the shards of the largest models."""

MAX_LISTED_FILES = 20_000
"""Weight files of a version among which like ones are looked for."""

FEW_FILES = 512
"""Weight files of which all are compared with a path; of more only those whose names are like its own."""

GIVE_UP_CHUNKS = 16
"""Chunks in a row for which a difference from another file did not pay, until no more are tried: two runs of
one network begin from different random numbers. Each try reads a chunk, 0.2 ms."""

MOST_CHUNKS = 1 << 19
"""Most chunks of a tensor that differences are made to: 32 GiB as we cut, and 60 MiB of memory."""

_KEPT_FILES = 2 * MAX_LIKE_FILES


class ParentTensors:
    """Looks bases up in one version. Called from several threads."""

    def __init__(self, parent: Version, store: Store, fetch: Fetch) -> None:
        self._files = VersionFiles(parent, fetch)
        self.store = store
        self.fetch = fetch
        self._lock = threading.RLock()  # for_path asks for the tensors of the path itself
        self._finders: dict[str, FileTensors] = {}
        self._listed: dict[str, list[Entry]] | None = None  # by the form of their names
        self._segments: dict[RecipeId, dict[str, Segment]] = {}

    def for_path(self, path: str) -> FileTensors:
        with self._lock:
            if path not in self._finders:
                self._finders.clear()  # files come one after another: one finder is in use at a time
                self._finders[path] = FileTensors(self, path)
            return self._finders[path]

    def own(self, path: str) -> dict[str, Segment]:
        """The tensors of the file at `path`; none if it is not there."""
        try:
            placed = self._files.find(path)
        except IntegrityError:
            return {}
        with self._lock:
            return {} if placed is None else self._tensors(placed.entry)

    def alike(self, path: str) -> list[dict[str, Segment]]:
        """The tensors of other weight files, those with the likest paths first."""
        with self._lock:
            return list(map(self._tensors, self._likest(path)))

    def _likest(self, path: str) -> list[Entry]:
        if self._listed is None:
            self._listed = {}
            for entry in islice(self._weights(), MAX_LISTED_FILES):
                self._listed.setdefault(_form(_name(entry.path)), []).append(entry)
        few = sum(map(len, self._listed.values())) <= FEW_FILES
        found = chain(*self._listed.values()) if few else self._listed.get(_form(_name(path)), [])
        others = (entry for entry in found if entry.path != path)
        nearest = sorted(others, key=lambda entry: _distance(path, entry.path))
        return nearest[:MAX_LIKE_FILES]

    def _weights(self) -> Iterator[Entry]:
        try:
            for placed in self._files.all([Component.WEIGHTS]):
                if placed.entry.mode is not Mode.SYMLINK:
                    yield placed.entry
        except IntegrityError:
            return  # pruned or damaged: a delta is an economy, never a need

    def _tensors(self, entry: Entry) -> dict[str, Segment]:
        found = self._segments.get(entry.recipe)
        if found is None:
            try:
                found = recipe_of(entry, self.fetch).tensors()
            except IntegrityError:
                found = {}
            if len(self._segments) >= _KEPT_FILES:
                self._segments.pop(next(iter(self._segments)))
            self._segments[entry.recipe] = found
        return found


class FileTensors:
    """Bases for the tensors of one file, from the parent's version of it or from files like it."""

    def __init__(self, parent: ParentTensors, path: str) -> None:
        self._parent = parent
        self._path = path
        self._lock = threading.Lock()
        self._own = parent.own(path)
        self._alike: list[dict[str, Segment]] | None = None
        self._chunks: dict[str, list[ChunkId | None]] = {}
        self._failed_pieces = 0

    def base(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, bytes] | None:
        """The chunk to subtract from piece `index` of `tensor`, with its raw bytes."""
        try:
            with self._lock:
                chunk = self._chunk(tensor, index)
            if chunk is None:
                return None
            store = self._parent.store
            whole = store.info(chunk).base or chunk
            return whole, store.get(whole)
        except IntegrityError:
            return None

    def taken(self, tensor: TensorInfo, *, paid: bool) -> None:
        """Hears whether the difference to a base was worth it."""
        with self._lock:
            if _fits(self._own.get(tensor.name), tensor) or self._failed_pieces >= GIVE_UP_CHUNKS:
                return
            self._failed_pieces = 0 if paid else self._failed_pieces + 1

    def _chunk(self, tensor: TensorInfo, index: int) -> ChunkId | None:
        if tensor.name not in self._chunks:
            self._chunks.clear()
            segment = self._segment(tensor)
            if segment is None:
                return None
            alone = Recipe(segment.size, "", (segment,))
            found = islice(parts(alone, self._parent.fetch), MOST_CHUNKS)
            self._chunks[tensor.name] = [part.chunk for part in found]
        chunks = self._chunks[tensor.name]
        return chunks[index] if index < len(chunks) else None

    def _segment(self, tensor: TensorInfo) -> Segment | None:
        if _fits(own := self._own.get(tensor.name), tensor):
            return own
        if self._failed_pieces >= GIVE_UP_CHUNKS:
            return None
        if self._alike is None:
            self._alike = self._parent.alike(self._path)
        return next(
            (found for each in self._alike if _fits(found := each.get(tensor.name), tensor)), None
        )


def _fits(segment: Segment | None, tensor: TensorInfo) -> bool:
    if segment is None or segment.tensor is None:
        return False
    return (segment.tensor.dtype, segment.tensor.shape) == (tensor.dtype, tensor.shape)


_DIGITS = re.compile(r"\d{1,15}")


def _form(text: str) -> str:
    return _DIGITS.sub("#", text)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _distance(path: str, other: str) -> tuple[object, ...]:
    """How unlike two paths are: another name, another form of directories, other numbers, less in common."""
    form, other_form = _form(path), _form(other)
    numbers, others = (list(map(int, _DIGITS.findall(text))) for text in (path, other))
    apart = [-number for number in others]  # the newest of a series
    if form == other_form:
        apart = [abs(a - b) for a, b in zip(numbers, others, strict=False)]
    common = next(
        (i for i, (a, b) in enumerate(zip(path, other, strict=False)) if a != b),
        min(len(path), len(other)),
    )
    return _name(path) != _name(other), form != other_form, apart, -common, other
