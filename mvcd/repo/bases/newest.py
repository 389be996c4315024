"""Bases the other way round: the newest version whole, older ones as differences to newer ones.

While a run goes on each checkpoint rests on the one before, for that is what is there. Who reads the newest
then reads up to four chunks for each of its own. `mvc optimize` turns that round where it costs nothing: of the
chunks that rest on each other the newest is stored whole, the one before as a difference to that, and so on by
the rules of chains.py. CODEC.md has the figures, section "The newest whole".

Theory of operation. Chunks that rest on each other, directly or through others, are a family, mostly one piece
of one tensor through all versions. They are ordered by the newest version that has them, heads of branches
before all others, and get their forms in this order; each may rest on those before it only. So there are no
circles, whatever the forms were before, and no chain is longer than the rules say, for what rests on one of a
family belongs to it. A family gets all of its new forms or none (FORMAT.md, Other bases). Turned round it
takes about what it took, a little less or more; those that take more are turned as far as the others have saved
that, so that the store never gets larger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from mvcd.codec.decode import DELTA_WIDTH, RANS_WIDTH
from mvcd.codec.encode import Encoder, elements_of
from mvcd.codec.encoded import Codec, Encoded
from mvcd.codec.likeness import difference_bits
from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId, Digest, Kind, VersionId
from mvcd.objects.closure import named
from mvcd.objects.glance import Glance, names
from mvcd.objects.version import Version
from mvcd.repo.bases.chains import MOST_LEVELS, choose
from mvcd.repo.records.refs import EMPTY_ID, HEADS, target_of, versions_of_refs
from mvcd.store.api import Forms, Store
from mvcd.store.record import record_size

MOST_FAMILY_CHUNKS: Final = 1024
"""Chunks of the largest family that is turned round: as many checkpoints, and 256 MiB of forms in memory.
Larger ones stay as they are."""
CANDIDATE_CHUNKS: Final = 4
"""Chunks of which the likest is taken: the last ones that were given a form, and as many of those that this one
rested on, or that rested on it, before."""
KEPT_CHUNKS: Final = 64
READ_OBJECTS: Final = 512


def plans(store: Store, *, written: bool) -> Iterator[Forms]:
    """New forms for one family after the other that is not as it should be, first those that are no larger.
    With `written` there has to be room for all of them. Raises Failure(kind="disk-full")."""
    links = _links(store)
    if not links:
        return
    order = _Order(store, links)
    families = [
        family
        for family in _families(links)
        if len(family) <= MOST_FAMILY_CHUNKS and not _is_turned(links, order, family)
    ]
    if written:
        size = sum(info.record_size for f in families for info in store.infos(f).values())
        store.require_room(size, "other forms of what is there")
    dear: list[tuple[int, list[ChunkId]]] = []
    for family in families:
        forms = _turned(store, links, order, family)
        more = _more_bytes(store, forms)
        if forms and more <= 0:
            yield forms
        elif forms:
            dear.append((more, family))
    for _, family in sorted(dear):  # made again: all of them do not fit into memory
        yield _turned(store, links, order, family)


def _links(store: Store) -> dict[ChunkId, ChunkId]:
    """What each difference rests on."""
    return {
        ChunkId(id): info.base
        for id, info in store.ids()
        if info.base is not None and id.kind is Kind.CHUNK
    }


def _families(links: Mapping[ChunkId, ChunkId]) -> Iterator[list[ChunkId]]:
    """Chunks that rest on each other."""
    near: dict[ChunkId, list[ChunkId]] = defaultdict(list)
    for id, base in links.items():
        near[id].append(base)
        near[base].append(id)
    left = dict.fromkeys(near)
    while left:
        first = next(iter(left))
        del left[first]
        family = [first]
        for id in family:  # it grows
            for other in near[id]:
                if other in left:
                    del left[other]
                    family.append(other)
        yield family


class _Order:
    """When each chunk was last part of a version."""

    def __init__(self, store: Store, links: Mapping[ChunkId, ChunkId]) -> None:
        self._store = store
        self._members = {*links, *links.values()}
        self._seen: set[Digest] = set()
        self.ranks: dict[ChunkId, int] = {}
        refs = store.refs()
        heads = [target_of(value) for name, value in refs.items() if name.startswith(HEADS)]
        all_of = [*dict.fromkeys([*heads, *versions_of_refs(refs)])]
        for id in sorted(self._here(heads), key=self._newest_first):
            self._rank(id)
        self.heads = len(self.ranks)
        """Below this are the ranks of what heads of branches have."""
        for id in self._history(all_of):
            self._rank(id)

    def of(self, id: ChunkId) -> int:
        """Its place. What no version that a ref reaches has comes last."""
        return self.ranks.get(id, len(self.ranks))

    def _here(self, ids: Sequence[VersionId]) -> list[VersionId]:
        return [id for id, here in zip(ids, self._store.has(ids), strict=True) if here]

    def _read(self, id: VersionId) -> Glance:
        return Glance(id, self._store.get(id))

    def _history(self, heads: Sequence[VersionId]) -> Iterator[VersionId]:
        """What is here of it, a child before its parents."""
        known: set[VersionId] = set()
        queue: list[tuple[int, VersionId]] = []
        more: Iterable[VersionId] = heads
        while True:
            for id in self._here([id for id in more if id not in known and id != EMPTY_ID]):
                known.add(id)
                heappush(queue, (-self._read(id).generation, id))
            if not queue:
                return
            id = heappop(queue)[1]
            yield id
            more = self._read(id).parents

    def _newest_first(self, id: VersionId) -> int:
        return -self._read(id).time_us

    def _rank(self, id: VersionId) -> None:
        """Numbers those of its chunks that no version before had, in the order of its lists."""
        stack: list[Digest] = [*named(Version.decode(self._store.get(id)))]
        stack.reverse()
        while stack:
            batch = [stack.pop() for _ in range(min(len(stack), READ_OBJECTS))]
            fresh = []
            for one in batch:
                if one.kind is Kind.CHUNK:
                    chunk = ChunkId(one)
                    if chunk in self._members:
                        self.ranks.setdefault(chunk, len(self.ranks))
                elif one not in self._seen:
                    self._seen.add(one)
                    fresh.append(one)
            found = dict(self._store.get_many(fresh))
            for one in reversed(fresh):
                if one in found:  # else absent by choice
                    stack.extend(reversed(names(one.kind, found[one])))


@dataclass(slots=True)
class _Family:
    """One that is being turned round."""

    store: Store
    width: int
    dtype: str | None
    near: Mapping[ChunkId, Sequence[ChunkId]]
    encoder: Encoder
    placed: dict[ChunkId, Encoded] = field(default_factory=dict)
    raws: dict[ChunkId, bytes] = field(default_factory=dict)

    def get(self, id: ChunkId) -> bytes:
        if id not in self.raws:
            while len(self.raws) >= KEPT_CHUNKS:
                self.raws.pop(next(iter(self.raws)))
            self.raws[id] = self.store.get(id)
        return self.raws[id]

    def chain(self, id: ChunkId) -> list[ChunkId]:
        found = [id]
        while (base := self.placed[found[-1]].base) is not None:
            found.append(base)
        return found

    def place(self, id: ChunkId, *, shallow: bool) -> None:
        """Gives it its form; a `shallow` one is whole, or rests on one that is."""
        raw = self.get(id)
        offered, pays = None, 1.0
        likest = self._likest(id, raw)
        if likest is not None:
            links = self.chain(likest)
            base, pays = choose(links, siblings=False)
            if shallow and len(links) > 1:
                base = links[-1]
            offered = base, self.get(base)
        encoded = self.encoder.encode(
            raw, element_size=self.width, dtype=self.dtype, base=offered, pays=pays
        )
        self.placed[id] = encoded._replace(body=bytes(encoded.body))

    def _likest(self, id: ChunkId, raw: bytes) -> ChunkId | None:
        before = [other for other in self.near.get(id, ()) if other in self.placed]
        last = islice(reversed(self.placed), CANDIDATE_CHUNKS)
        candidates = list(dict.fromkeys([*last, *before[:CANDIDATE_CHUNKS]]))
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        return min(candidates, key=lambda other: self._bits(raw, other))

    def _bits(self, raw: bytes, other: ChunkId) -> int:
        return difference_bits(
            raw, self.get(other), element_size=self.width, dtype=self.dtype or ""
        )


def _turned(
    store: Store,
    links: Mapping[ChunkId, ChunkId],
    order: _Order,
    family: list[ChunkId],
) -> Forms:
    """None where it cannot be turned round, or is damaged: that stays where it is, for `check` to report."""
    try:
        elements = _elements(store, family)
        return [] if elements is None else _forms(store, links, order, family, *elements)
    except IntegrityError:
        return []


def _forms(
    store: Store,
    links: Mapping[ChunkId, ChunkId],
    order: _Order,
    family: list[ChunkId],
    width: int,
    dtype: str | None,
) -> Forms:
    near: dict[ChunkId, list[ChunkId]] = defaultdict(list)
    for id in family:
        if (base := links.get(id)) is not None:
            near[id].append(base)
            near[base].append(id)
    made = _Family(store, width, dtype, near, Encoder())
    ordered = sorted(family, key=lambda id: (order.of(id), id))
    for id in ordered:
        made.place(id, shallow=order.of(id) < order.heads)
    return [(id, made.placed[id]) for id in ordered]


def _more_bytes(store: Store, forms: Forms) -> int:
    """What they take more than what is there."""
    before = sum(info.record_size for info in store.infos([id for id, _ in forms]).values())
    return sum(record_size(len(e.body), e.base is not None) for _, e in forms) - before


def _is_turned(links: Mapping[ChunkId, ChunkId], order: _Order, family: Iterable[ChunkId]) -> bool:
    """Whether each rests on a newer one, and what heads of branches have is whole, or rests on what is: the
    next version after all was turned round, say, which is left as it is."""
    for id in family:
        is_head, levels = order.of(id) < order.heads, 0
        base = links.get(id)
        if base is not None and not is_head and (order.of(base), base) > (order.of(id), id):
            return False
        while base is not None and levels <= MOST_LEVELS:
            levels, base = levels + 1, links.get(base)
        if levels > (1 if is_head else MOST_LEVELS):
            return False
    return True


def _elements(store: Store, family: Sequence[ChunkId]) -> tuple[int, str | None] | None:
    """Their size in bytes and dtype, as far as differences among them tell. None where one is the F32 master of
    a BF16 copy: what it rests on is no older or newer form of it."""
    codecs = store.codecs(family)
    if Codec.WIDENED4 in codecs.values():
        return None
    found: tuple[int, str | None] = (1, None)
    for id, codec in codecs.items():
        if codec in RANS_WIDTH:
            return elements_of(store.get_encoded(id))
        if codec in DELTA_WIDTH:
            found = DELTA_WIDTH[codec], None
    return found
