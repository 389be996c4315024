"""Tensors found by what they hold, where names tell nothing: in other formats, or after they were renamed.

GGUF calls `blk.0.attn_q.weight` what transformers call `model.layers.0.self_attn.q_proj.weight`, and a shard of
torch's distributed checkpoints only counts its tensors. But training hardly changes signs: of the first numbers
of a tensor nearly all have the sign that they had, and of two that have nothing to do with each other half. So
a sketch of a tensor is the signs of its first numbers; a new one is compared with all of its dtype and shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from mvcd.codec.encode import EXPONENT_SHIFT
from mvcd.errors import IntegrityError
from mvcd.ids import Bytes, ChunkId, RecipeId
from mvcd.inspect.spans import TensorInfo
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Recipe, Segment, parts
from mvcd.objects.tree import Fetch
from mvcd.repo.bases.namesakes import Kind, TensorIndex

T = TypeVar("T")

MOST_ELEMENTS: Final = 256
FEWEST_ELEMENTS: Final = 64
"""Fewer say too little: of 64 a quarter or less differ by chance once in 30,000 pairs."""
HEAD_BYTES: Final = 8 * MOST_ELEMENTS
"""Bytes from the beginning of a tensor that are enough for a sketch."""
MOST_TENSORS: Final = 1024
"""Most tensors of one dtype and shape in a file that are compared: a chunk of each is read, 0.3 ms."""

_KEPT_TABLES: Final = 256
_DIGITS: Final = bytes(b"01"[byte >> 7] for byte in range(256))

Sketch = tuple[int, int]
"""Signs, first number first, as the bits of a number, and how many they are."""


class StoredSketches:
    """Sketches of stored files, made once in a run for each dtype and shape that is asked for. Thread-safe."""

    def __init__(
        self,
        tensors_of: Callable[[Entry], TensorIndex[Segment]],
        fetch: Fetch,
        get: Callable[[ChunkId], bytes],
    ) -> None:
        self._tensors_of = tensors_of
        self._fetch = fetch
        self._get = get
        self._made: dict[tuple[RecipeId, Kind], list[tuple[Sketch, Segment]]] = {}

    def of(self, entry: Entry, tensor: TensorInfo) -> list[tuple[Sketch, Segment]]:
        """The sketches of a file's tensors that have the dtype and shape of `tensor`, of what is here."""
        key = entry.recipe, (tensor.dtype, tensor.shape)
        made = self._made.get(key)
        if made is None:
            made = []
            for segment in self._tensors_of(entry).of_kind(key[1])[:MOST_TENSORS]:
                head = self._head(segment)
                if head is not None and (one := sketch(head, tensor)) is not None:
                    made.append((one, segment))
            if len(self._made) >= _KEPT_TABLES:
                self._made.clear()
            self._made[key] = made
        return made

    def _head(self, segment: Segment) -> Bytes | None:
        try:
            first = next(parts(Recipe(segment.size, "", (segment,)), self._fetch), None)
            return (
                None if first is None else self._get(first.chunk) if first.chunk else first.literal
            )
        except IntegrityError:
            return None  # pruned, or damaged


def sketch(head: Bytes, tensor: TensorInfo) -> Sketch | None:
    """Makes the sketch of a tensor from its first bytes. None where it tells nothing: no floats, few of them,
    or most of one sign."""
    if tensor.dtype not in EXPONENT_SHIFT:
        return None
    width = tensor.element_size
    tops = bytes(memoryview(head).cast("B")[width - 1 : width * MOST_ELEMENTS : width])
    if len(tops) < FEWEST_ELEMENTS:
        return None
    signs = int(tops.translate(_DIGITS), 2)
    return (
        (signs, len(tops))
        if min(ones := signs.bit_count(), len(tops) - ones) * 4 > len(tops)
        else None
    )


def nearest(new: Sketch, known: Iterable[tuple[Sketch, T]]) -> T | None:
    """The one of which the fewest signs differ, if it is a quarter of them or less."""
    signs, count = new
    best, found = count // 4 + 1, None
    for (other, length), what in known:
        if length == count and (differ := (signs ^ other).bit_count()) < best:
            best, found = differ, what
    return found
