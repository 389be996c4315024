"""What weight files say of a network: layers by name, and metadata, from recipes or else from headers.

Recipes name the tensors of safetensors files, with their contents' identities. Of other formats the header is
read; a tensor that is no segment of the recipe (of npz, GGUF, ONNX, TensorFlow all of them) has a content that
is not known without reading it, so such a layer is never found to be renamed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial

from mvcd.ids import RecipeId
from mvcd.inspect import tensorfiles
from mvcd.inspect.flatten import flatten
from mvcd.inspect.layers import Keyed, Layer, layers_in
from mvcd.inspect.spans import TOLD_BY_RECIPES, ReadAt, reading
from mvcd.inspect.tensorfile import (
    WITHOUT_METADATA,
    StoredTensor,
    TensorFile,
    is_headed_beside,
    is_told_beside,
)
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Segment
from mvcd.objects.version import Value
from mvcd.repo.compare.sides import Side
from mvcd.repo.contents.tensors import Held, Segments, held


class ModelFiles:
    """One side's weight files; each header is read once."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._headers: dict[tuple[RecipeId, str], TensorFile | None] = {}

    def layers(self, entry: Entry) -> dict[str, Keyed]:
        """Empty for a file without tensors, and for one whose tensors an index lists."""
        if is_told_beside(entry.path):
            return {}
        recipe = self._side.recipe(entry)
        if recipe.format in TOLD_BY_RECIPES:
            tensors = held(recipe, _nothing, "")
        else:
            header = self._header(entry)
            segments = Segments(recipe)
            found = header.tensors.values() if header is not None else ()
            tensors = [Held(tensor, segments.of(tensor)) for tensor in found]
        keep = layers_in([t.name for t, _ in tensors])
        return {
            t.name: (Layer(t.name, t.dtype, t.shape, not t.repeats), _identity(entry, t, segment))
            for t, segment in tensors
            if t.name in keep
        }

    def metadata(self, entry: Entry) -> Mapping[str, Value] | None:
        """Flat keys; None for a format whose header was not needed, and for what has too many."""
        if self._side.recipe(entry).format in WITHOUT_METADATA:
            return None
        header = self._header(entry)
        try:
            return None if header is None else flatten(header.metadata)
        except ValueError:
            return None

    def _header(self, entry: Entry) -> TensorFile | None:
        name = entry.path.rpartition("/")[2]
        key = entry.recipe, name
        if key not in self._headers:
            beside = partial(self._beside, entry.path) if is_headed_beside(name) else None
            with self._side.open(entry) as file:
                self._headers[key] = tensorfiles.read(reading(file), entry.size, name, beside)
        return self._headers[key]

    def _beside(self, path: str, name: str) -> tuple[ReadAt, int] | None:
        """Opened for each reading, of which there are few: thousands of files cannot be open at once."""
        placed = self._side.files.find(path[: path.rfind("/") + 1] + name)
        if placed is None or placed.entry.mode is Mode.SYMLINK:
            return None
        entry = placed.entry

        def read_at(offset: int, length: int) -> bytes:
            with self._side.open(entry) as file:
                return reading(file)(offset, length)

        return read_at, entry.size


def _nothing(offset: int, length: int) -> bytes:
    """The recipe of such a format tells all."""
    raise AssertionError(f"nothing is read, yet {length} bytes at {offset} were asked for")


def _identity(entry: Entry, tensor: StoredTensor, segment: Segment | None) -> Hashable:
    if segment is None:
        return entry.path, tensor.name
    return segment.content_key, tensor.order
