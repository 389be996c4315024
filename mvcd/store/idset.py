"""Sets of ids in few bytes, for marking: 8 for each that lives, 32 for each that does not.

A set of Digests takes 110 bytes an entry, 1.1 GB for ten million chunks. Both of these are asked in ascending
order, which is the order of the index, so no more than a 256th is ever unfolded.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from mvcd.ids import DIGEST_BYTES

_PARTS = 256
_PREFIX_BYTES = 8
_FIRST_FOLD_IDS = 1 << 14
"""Prefixes of a part from which on repeated ones are thrown out whenever it has doubled."""


def prefix_of(id: bytes) -> int:
    return int.from_bytes(id[:_PREFIX_BYTES], "big")


class Prefixes:
    """Ids by their first 8 bytes: what was added is in it, and of others one in 2^64 for each that was.

    So it may decide what stays, never what goes.
    """

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._parts = [array("Q") for _ in range(_PARTS)]
        self._fold_at = [_FIRST_FOLD_IDS] * _PARTS
        self._unfolded: tuple[int, set[int]] = (-1, set())
        self.update(ids)

    def update(self, ids: Iterable[bytes]) -> None:
        parts, fold_at = self._parts, self._fold_at
        for id in ids:
            first = id[0]
            part = parts[first]
            part.append(int.from_bytes(id[:_PREFIX_BYTES], "big"))
            if len(part) >= fold_at[first]:
                parts[first] = part = array("Q", set(part))
                fold_at[first] = max(_FIRST_FOLD_IDS, 2 * len(part))
        self._unfolded = (-1, set())

    def __contains__(self, id: bytes) -> bool:
        """Fast where ids are asked in order."""
        first = id[0]
        if self._unfolded[0] != first:
            self._unfolded = (first, set(self._parts[first]))
        return prefix_of(id) in self._unfolded[1]

    def parts(self) -> Iterator[set[int]]:
        """The prefixes by the first byte of their ids, from 0 to 255."""
        return map(set, self._parts)


class Ascending:
    """Ids that were added in ascending order."""

    def __init__(self) -> None:
        self._ids = bytearray()

    def append(self, id: bytes) -> None:
        self._ids += id

    def __len__(self) -> int:
        return len(self._ids) // DIGEST_BYTES

    def __getitem__(self, index: int) -> bytes:
        at = index * DIGEST_BYTES
        return bytes(self._ids[at : at + DIGEST_BYTES])

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    def __contains__(self, id: bytes) -> bool:
        index = bisect_left(range(len(self)), id, key=self.__getitem__)
        return index < len(self) and self[index] == id

    def without(self, ids: set[bytes]) -> Ascending:
        left = Ascending()
        for id in self:
            if id not in ids:
                left.append(id)
        return left


class Sieve:
    """What of all rows, asked in ascending order, was added; and at the end what was added and has no row."""

    def __init__(self, added: Prefixes) -> None:
        self._parts = iter(added.parts())
        self._first = -1
        self._part: set[int] = set()
        self._unseen: set[int] = set()
        self._absent = array("Q")

    def passes(self, id: bytes) -> bool:
        while self._first < id[0]:
            self._next()
        prefix = prefix_of(id)
        self._unseen.discard(prefix)
        return prefix in self._part

    def absent(self) -> array[int]:
        """Prefixes of what no row was asked for, once all rows were."""
        while self._first < _PARTS:
            self._next()
        return self._absent

    def _next(self) -> None:
        self._absent.extend(sorted(self._unseen))
        self._first += 1
        self._part = next(self._parts, set())
        self._unseen = set(self._part)
