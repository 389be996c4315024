"""Which chunk a tensor's piece may be stored as a difference from: the same piece of the parent's tensor.

Between checkpoints of one run the sign, the exponent and the upper mantissa of most weights stay, so XOR with
the parent leaves mostly zeros there. The base is always a chunk stored whole (depth 1): if the parent's piece
is itself a difference, its own base is taken, so reading never needs more than two chunks. Which base is right
was found to matter more than the codec (TensorDex, SOSP'26); for a version control system the parent version
is the first candidate and costs nothing to find.
"""

from __future__ import annotations

import threading
from itertools import islice

from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId
from mvcd.inspect.layout import TensorInfo
from mvcd.objects.recipe import Recipe, Segment, parts
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.contents.files import VersionFiles, recipe_of
from mvcd.store.api import Store


class ParentTensors:
    """Looks bases up in one version. Called from several threads."""

    def __init__(self, parent: Version, store: Store, fetch: Fetch) -> None:
        self._files = VersionFiles(parent, fetch)
        self._store = store
        self._fetch = fetch
        self._lock = threading.Lock()
        self._finders: dict[str, FileTensors | None] = {}

    def for_path(self, path: str) -> FileTensors | None:
        with self._lock:
            if path not in self._finders:
                self._finders.clear()  # files come one after another: one finder is in use at a time
                self._finders[path] = self._open(path)
            return self._finders[path]

    def _open(self, path: str) -> FileTensors | None:
        try:
            placed = self._files.find(path)
            if placed is None:
                return None
            recipe = recipe_of(placed.entry, self._fetch)
        except IntegrityError:
            return None  # pruned or damaged: a delta is an economy, never a need
        return FileTensors(recipe, self._store, self._fetch) if recipe.format else None


MOST_CHUNKS = 1 << 19
"""Most chunks of a tensor that differences are made to: 32 GiB as we cut, and 60 MiB of memory."""


class FileTensors:
    """The tensors of the parent's version of one file."""

    def __init__(self, recipe: Recipe, store: Store, fetch: Fetch) -> None:
        self._segments = {s.tensor.name: s for s in recipe.segments if s.tensor is not None}
        self._store = store
        self._fetch = fetch
        self._lock = threading.Lock()
        self._chunks: dict[str, list[ChunkId | None]] = {}

    def base(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, bytes] | None:
        """The chunk to subtract from piece `index` of `tensor`, with its raw bytes."""
        segment = self._segments.get(tensor.name)
        if segment is None or segment.tensor is None:
            return None
        if (segment.tensor.dtype, segment.tensor.shape) != (tensor.dtype, tensor.shape):
            return None
        try:
            chunk = self._chunk(tensor.name, segment, index)
            if chunk is None:
                return None
            whole = self._store.info(chunk).base or chunk
            return whole, self._store.get(whole)
        except IntegrityError:
            return None

    def _chunk(self, name: str, segment: Segment, index: int) -> ChunkId | None:
        with self._lock:
            if name not in self._chunks:
                self._chunks.clear()
                alone = Recipe(segment.size, "", (segment,))
                found = islice(parts(alone, self._fetch), MOST_CHUNKS)
                self._chunks[name] = [part.chunk for part in found]
            chunks = self._chunks[name]
        return chunks[index] if index < len(chunks) else None
