"""Who needs each object of a store: nobody, one owner, or several.

All objects of the index lie in arrays in the order of their digests, 36 bytes each, so that 10^7 of them take
360 MB; a dict would take five times that. A digest is found by halving, by its first 16 bytes.

Owners may be of several kinds at once (versions, components, branches, paths): a `Ranking` for each says whom
an object belongs to. A walk from a root walk what it reaches. It goes on below an object only if that changed
for it: what several need has been claimed for several all the way down, and what one needs for that one. So an
object is opened at most twice for each kind of owner, however many versions have it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mvcd.errors import MissingObject
from mvcd.ids import Digest, Kind
from mvcd.objects.closure import named, open_object
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Node
from mvcd.store.api import Store

SAMPLE_OBJECTS = 8192
"""The codec is looked up of about so many, since the index does not have it. Of 4,000 chunks a share of one
half is told to within 2 points."""


class Owner(NamedTuple):
    """By number. `several`: others need what this one needs."""

    number: int
    several: bool = False


Claim = tuple[Owner, ...]
"""An owner for each ranking."""


class Ranking:
    """Whom each object belongs to, among owners of one kind: the first that claimed it, and if others did."""

    def __init__(self, objects: int) -> None:
        self.first = array("i", [-1]) * objects
        self.several = bytearray(objects)


class Objects:
    """The objects of a store. Sizes in bytes; an object is named by its place in the order of digests."""

    def __init__(self, store: Store) -> None:
        self._high, self._low = array("Q"), array("Q")
        self.stored = array("I")  # with the head of the record
        self.raw = array("I")
        self.kind = bytearray()
        self.base = array("i")
        self.sample: list[Digest] = []
        self.step = step = 1 + store.stats().objects // SAMPLE_OBJECTS
        places, bases = array("i"), array("Q")
        for place, (id, info) in enumerate(store.ids()):
            high, low = _halves(id)
            self._high.append(high)
            self._low.append(low)
            self.stored.append(info.record_size)
            self.raw.append(info.raw_size)
            self.kind.append(info.kind)
            self.base.append(-1)
            if info.base is not None:
                places.append(place)
                bases.extend(_halves(info.base))
            if place % step == 0 and info.kind is Kind.CHUNK and info.base is None:
                self.sample.append(id)
        for index, place in enumerate(places):
            self.base[place] = self._find(bases[2 * index], bases[2 * index + 1])

    def __len__(self) -> int:
        return len(self._high)

    def find(self, id: Digest) -> int:
        """Returns its place; -1 for an object that is not here."""
        return self._find(*_halves(id))

    def _find(self, high: int, low: int) -> int:
        place = bisect_left(self._high, high)
        while place < len(self._high) and self._high[place] == high:
            if self._low[place] == low:
                return place
            place += 1
        return -1


def _halves(id: bytes) -> tuple[int, int]:
    return int.from_bytes(id[:8], "big"), int.from_bytes(id[8:16], "big")


Placing = Callable[[str], Owner]
"""The owner of a file, by its path."""


class OwnerWalk:
    """Walks from roots, and what they showed. With `placing` the last ranking is one of paths: files are
    claimed for whom it says, and lists of files as the claim says."""

    def __init__(
        self, store: Store, objects: Objects, rankings: int, placing: Placing | None = None
    ) -> None:
        self._store = store
        self._objects = objects
        self.rankings = tuple(Ranking(len(objects)) for _ in range(rankings))
        self._placing = placing
        self.absent = 0

    def claim_alone(self, id: Digest, claim: Claim) -> None:
        """Claims an object, and nothing below it."""
        self._claimed(self._objects.find(id), claim)

    def claim(self, root: Digest, claim: Claim) -> None:
        """Claims all that `root` reaches, itself and bases of differences included. What is not here is
        counted where it is met. Raises CorruptObject."""
        stack = [(root, claim)]
        while stack:
            id, whose = stack.pop()
            place = self._objects.find(id)
            if place < 0:
                self.absent += 1
                continue
            if not self._claimed(place, whose):
                continue
            if id.kind is Kind.CHUNK:
                self._claim_bases(place, whose)
                continue
            try:
                data = self._store.get(id)
            except MissingObject:  # collected a moment ago
                self.absent += 1
                continue
            below = list(self._below(id.kind, data, whose))
            stack.extend(reversed(below))  # so that they are claimed in order

    def _below(self, kind: Kind, data: bytes, claim: Claim) -> Iterator[tuple[Digest, Claim]]:
        opened = open_object(kind, data)
        if self._placing is not None and isinstance(opened, Node):
            for item in opened.items:
                if isinstance(item, Entry):
                    yield item.recipe, (*claim[:-1], self._placing(item.path))
                else:
                    yield item[0], claim
            for child in opened.children:
                yield child.node, claim
            return
        for id in named(opened):
            yield id, claim

    def _claim_bases(self, place: int, claim: Claim) -> None:
        base = self._objects.base[place]
        while base >= 0 and self._claimed(base, claim):
            base = self._objects.base[base]

    def _claimed(self, place: int, claim: Claim) -> bool:
        """Whether that made a difference."""
        changed = False
        for ranking, (owner, several) in zip(self.rankings, claim, strict=True):
            first = ranking.first[place]
            if first < 0:
                ranking.first[place] = owner
                ranking.several[place] = several
                changed = True
            elif (several or first != owner) and not ranking.several[place]:
                ranking.several[place] = 1
                changed = True
        return changed
