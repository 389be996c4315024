"""Which chunks of a file's last version new chunks are most like: those that were where they are now.

Of a text or table that was edited most chunks are the ones of before. A new one lies between two of them, and
what lay between these two before is what was edited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice

from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId
from mvcd.objects.recipe import Recipe, parts
from mvcd.objects.tree import Fetch
from mvcd.repo.bases.chains import Base, chain_of, choose

MOST_CHUNKS = 1 << 18
"""Most chunks of a file before that are looked at: 16 GiB as we cut, and 40 MiB of memory."""


GIVE_UP_CHUNKS = 16
"""Chunks in a row for which a difference did not pay, until no more are tried: an archive that was packed anew
is like nothing. Each try reads a chunk, 0.2 ms."""


class Neighbours:
    """The chunks of a file as it was before."""

    def __init__(self, before: Recipe, fetch: Fetch) -> None:
        """Raises MissingObject, CorruptObject."""
        found = [
            (part.chunk, part.size)
            for part in islice(parts(before, fetch), MOST_CHUNKS)
            if part.chunk is not None
        ]
        self._ids = [id for id, _ in found]
        self._starts = list(accumulate((size for _, size in found), initial=0))[:-1]
        self._places: dict[ChunkId, int] = {}
        for place, id in enumerate(self._ids):
            self._places.setdefault(id, place)

    def of(self, chunks: Sequence[tuple[ChunkId, int]], start: int) -> Iterator[ChunkId | None]:
        """For consecutive chunks (id, size in bytes) of the file as it is now, from offset `start` on, those
        that they are most like; None for chunks that were there before, and where there were none."""
        shift = (
            0  # from an offset now to the one before: what was edited before it may have moved it
        )
        for id, size in chunks:
            known = self._places.get(id)
            if known is not None:
                shift = self._starts[known] - start
                yield None
            elif self._ids:
                middle = start + size // 2 + shift
                yield self._ids[max(0, bisect_right(self._starts, middle) - 1)]
            else:
                yield None
            start += size


class EditedFile:
    """Bases for the new chunks of one file that is not cut by tensors. Called from several threads."""

    def __init__(
        self,
        before: Neighbours,
        base_of: Callable[[ChunkId], ChunkId | None],
        get: Callable[[ChunkId], bytes],
    ) -> None:
        self._before = before
        self._base_of = base_of
        self._get = get
        self._failed_chunks = 0

    def bases(self, chunks: Sequence[tuple[ChunkId, int]], start: int) -> Iterator[Base | None]:
        """For consecutive chunks (id, size in bytes) from offset `start` on; None where there is none. Each is
        read when it is asked for."""
        for id in self._before.of(chunks, start):
            yield None if id is None or self._failed_chunks >= GIVE_UP_CHUNKS else self._base(id)

    def taken(self, *, paid: bool) -> None:
        """Hears whether the difference to the last base was worth it."""
        self._failed_chunks = 0 if paid else self._failed_chunks + 1

    def _base(self, id: ChunkId) -> Base | None:
        try:
            chosen, pays = choose(chain_of(self._base_of, id), siblings=False)
            return Base(chosen, self._get(chosen), pays, self)
        except IntegrityError:
            return None
