"""Which chunk of a chain of differences the next one is made to, and what it has to save.

Advice: any chunk may be a base, and readers follow 64 of them (FORMAT.md). CODEC.md has the alternatives with
their figures, section "Chains".

Theory of operation. What was before is the best base, but each link more is a chunk more to read, to decode
and to fetch. So a chunk is a difference to the one before while that is fewer than MOST_LEVELS deep. Then it
is one to the whole chunk that the chain began with; and where that is so long ago that little is saved, it is
stored whole, and what follows begins with it. Nothing is counted and nothing remembered: how deep a chunk
lies, its bases say.

Where models branch, as fine-tunes of one base do, the one before is a sibling, no nearer than what both come
from. Then that is the base, of this one as of the sibling, and no chain grows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from mvcd.ids import Bytes, ChunkId
from mvcd.inspect.spans import TensorInfo
from mvcd.lateclasses import NamedTuple
from mvcd.store.record import MAX_DELTA_LEVELS

MOST_LEVELS: Final = 3
"""Bases, one under the other, that reading a chunk may take."""
STEP_PAYS_SHARE: Final = 0.95
"""A difference to what was before is taken below this share of what the chunk takes alone."""
ROOT_PAYS_SHARE: Final = 0.85
"""One to the beginning of the chain is. Above, the chunk is stored whole: what follows will have a base that is
near instead, which is worth more than what is lost."""


class TensorPiece(NamedTuple):
    """A piece of a tensor for which a base is looked for: `data` is its piece `number`."""

    tensor: TensorInfo
    number: int
    data: Bytes


class Base(NamedTuple):
    """A chunk to subtract, its raw bytes, and the share of the size without it that the difference has to stay
    below."""

    chunk: ChunkId
    data: Bytes
    pays: float
    source: Any = None
    """For who proposes bases: where this one comes from."""
    widen: int | None = None
    """For the BF16 copy of F32 data: the element that goes with the first one."""


def chain_of(base_of: Callable[[ChunkId], ChunkId | None], chunk: ChunkId) -> list[ChunkId]:
    """The chunk, its base, and so on, down to one that is stored whole. Raises what `base_of` does."""
    found = [chunk]
    while (base := base_of(found[-1])) is not None and len(found) <= MAX_DELTA_LEVELS:
        found.append(base)
    return found


def chains_of(
    bases_of: Callable[[Collection[ChunkId]], Mapping[ChunkId, ChunkId | None]],
    chunks: Collection[ChunkId],
) -> dict[ChunkId, list[ChunkId]]:
    """`chain_of` for each of these chunks, with one question for a level of all of them. Those are left out
    under which something is not here."""
    known: dict[ChunkId, ChunkId | None] = {}
    new = set(chunks)
    for _ in range(MAX_DELTA_LEVELS):
        if not new:
            break
        found = bases_of(new)
        known.update(found)
        new = {base for base in found.values() if base is not None and base not in known}
    chains: dict[ChunkId, list[ChunkId]] = {}
    for chunk in chunks:
        with suppress(KeyError):
            chains[chunk] = chain_of(known.__getitem__, chunk)
    return chains


def choose(chain: list[ChunkId], *, siblings: bool) -> tuple[ChunkId, float]:
    """The base for what comes after `chain[0]`, and the share that the difference has to stay below.
    `siblings`: both come from `chain[1]`."""
    usable = chain[1:] if siblings and len(chain) > 1 else chain
    if len(usable) <= MOST_LEVELS:
        return usable[0], STEP_PAYS_SHARE
    return usable[-1], ROOT_PAYS_SHARE
