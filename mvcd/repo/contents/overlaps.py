"""Files that two splits of the data share, equal or nearly so: what was trained on must not be what is tested.

Equal files have one recipe. *Near-equal* are two files of which at least half of the larger one's bytes lie in
chunks that both have: a photo whose EXIF was changed, a recording with another header, a table that got rows.
Chunks are 36 to 112 KiB and end where the content says (mvcd/chunking/CHUNKING.md), so nothing is read but
lists of chunks, and three things follow. Files below 36 KiB are one chunk, so they are equal or not. A picture
that was scaled or encoded anew has no chunk in common with what it was. And what is claimed is exact, for equal
chunks are equal bytes, but it is of bytes: where much of every file is one and the same filler, files share it.
So runs of one value do not count, which are stored in chunks of the largest size, or as pieces of zeros in
arrays; nor do chunks of more than MAX_COMMON_FILES files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from mvcd.chunking.params import DEFAULT, TENSOR_PIECE_BYTES
from mvcd.ids import ChunkId, RecipeId
from mvcd.inspect.splits import is_about, split_of
from mvcd.objects.tree import Fetch
from mvcd.repo.contents.files import ABSENT, Placed, content_parts

NEAR_SHARE = 0.5
"""The least share of the larger file's bytes that near-equal files have in common."""

MAX_COMMON_FILES = 8
"""A chunk of more different files is a filler, or a header of their format."""

MAX_LOOKED_FILES = 20_000
"""Files whose lists of chunks are read: half a second."""

MAX_LOOKED_CHUNKS = 500_000
"""Chunks of all these lists: 30 GB of data, 150 MB of memory."""

_EXAMPLE_FILES = 3
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Files of two splits with equal content; `examples` are pairs of their paths."""

    splits: tuple[str, str]
    files: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NearOverlap:
    """Near-equal files of two splits. `files` counts those of the second that have such a one in the first,
    each content once; `examples` are pairs of paths and the share of the larger one's bytes that both have."""

    splits: tuple[str, str]
    files: int
    examples: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class SplitOverlaps:
    """`unlooked` counts files that are too many to be looked at for near-equal ones; then `near` is empty."""

    equal: tuple[Overlap, ...] = ()
    near: tuple[NearOverlap, ...] = ()
    unlooked: int = 0


_Contents = Mapping[RecipeId, Placed]
"""The first file of each content."""


def overlaps(files: Iterable[Placed], fetch: Fetch) -> SplitOverlaps:
    """What splits share among `files`, which are data. Of files whose chunks' lists are not here only what is
    equal is told. Raises CorruptObject."""
    splits: dict[str, dict[RecipeId, Placed]] = defaultdict(dict)
    for placed in files:
        split = split_of(placed.entry.path)
        if split is not None and placed.entry.size and not is_about(placed.entry.path):
            splits[split].setdefault(placed.entry.recipe, placed)
    order = [split for split in _SPLITS if split in splits]
    pairs = list(combinations(order, 2))
    equal = tuple(found for a, b in pairs if (found := _equal((a, b), splits[a], splits[b])))
    if not pairs:
        return SplitOverlaps()
    looked = {id: p for each in splits.values() for id, p in each.items() if _has_chunks(p)}
    if len(looked) > MAX_LOOKED_FILES:
        return SplitOverlaps(equal, unlooked=len(looked))
    chunks = _chunks(looked, fetch)
    if chunks is None:
        return SplitOverlaps(equal, unlooked=len(looked))
    shares = _shares(looked, chunks)
    near = (_near((a, b), splits[a], splits[b], shares) for a, b in pairs)
    return SplitOverlaps(equal, tuple(found for found in near if found is not None))


def _has_chunks(placed: Placed) -> bool:
    return placed.entry.size > DEFAULT.min_size


def _equal(names: tuple[str, str], first: _Contents, second: _Contents) -> Overlap | None:
    """Contents that two splits share; a content counts once however often either has it."""
    shared = sorted(first.keys() & second.keys(), key=lambda id: first[id].entry.path)
    pairs = [(first[id].entry.path, second[id].entry.path) for id in shared[:_EXAMPLE_FILES]]
    return Overlap(names, len(shared), tuple(pairs)) if shared else None


# ---------------------------------------------------------------- near-equal

_Pair = frozenset[RecipeId]


def _chunks(files: _Contents, fetch: Fetch) -> dict[RecipeId, Counter[tuple[ChunkId, int]]] | None:
    """How often each file has which chunk, of what size; None where there are too many."""
    found: dict[RecipeId, Counter[tuple[ChunkId, int]]] = {}
    left, zeros = MAX_LOOKED_CHUNKS, ChunkId.of(bytes(TENSOR_PIECE_BYTES))
    for id, placed in files.items():
        mine = found[id] = Counter()
        try:
            for part in content_parts(placed.entry, fetch):
                left -= 1
                if left < 0:
                    return None
                if part.chunk is not None and part.size != DEFAULT.max_size and part.chunk != zeros:
                    mine[part.chunk, part.size] += 1
        except ABSENT:
            del found[id]
    return found


def _shares(
    files: _Contents, chunks: Mapping[RecipeId, Counter[tuple[ChunkId, int]]]
) -> dict[_Pair, float]:
    """The share of the larger file's bytes that two have in common, of all that have enough."""
    having: dict[tuple[ChunkId, int], list[RecipeId]] = defaultdict(list)
    for id, mine in chunks.items():
        for chunk in mine:
            having[chunk].append(id)
    common: Counter[_Pair] = Counter()
    for chunk, ids in having.items():
        for a, b in combinations(ids, 2) if len(ids) <= MAX_COMMON_FILES else ():
            common[frozenset((a, b))] += chunk[1] * min(chunks[a][chunk], chunks[b][chunk])
    shares = {
        pair: size / max(files[id].entry.size for id in pair) for pair, size in common.items()
    }
    return {pair: share for pair, share in shares.items() if share >= NEAR_SHARE}


def _near(
    names: tuple[str, str], first: _Contents, second: _Contents, shares: Mapping[_Pair, float]
) -> NearOverlap | None:
    """For each content of the second split the nearest one of the first; what is in both is equal, not near."""
    nearest: dict[RecipeId, tuple[float, RecipeId]] = {}
    for pair, share in shares.items():
        for a, b in _ordered(pair):
            if a in first and b in second and b not in first and a not in second:
                nearest[b] = max(nearest.get(b, (0.0, a)), (share, a))
    found = sorted((second[b].entry.path, b) for b in nearest)
    if not found:
        return None
    examples = [
        (first[nearest[b][1]].entry.path, path, nearest[b][0]) for path, b in found[:_EXAMPLE_FILES]
    ]
    return NearOverlap(names, len(found), tuple(examples))


def _ordered(pair: _Pair) -> Iterator[Sequence[RecipeId]]:
    a, b = pair
    yield a, b
    yield b, a
