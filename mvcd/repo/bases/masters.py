"""F32 masters that were there before their BF16 copies, made to rest on these: the copy then costs nothing.

A copy that comes in a later commit than its master is stored alone, 0.66 of its size, for it cannot be taken
from what is there (casts.py). `mvc optimize` turns that round: in what refs name, F32 tensors are looked up
that have a BF16 copy by name and shape, and their chunks get the form that they would have, had the copy come
first (CODEC.md, WIDENED). What rests on a master gets one level deeper; where that would be too deep it stays.

The forms of one chunk of a copy and of its masters are one plan (FORMAT.md, Other bases): the chunk, what it
rests on, and two chunks of F32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.codec.encode import DELTA_SAVES_SHARE, Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId
from mvcd.objects.recipe import Segment
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.bases.casts import MOST_LOST_BITS, NARROW, TRIED_FILES, WIDE, lost_bits
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from mvcd.repo.bases.likepaths import distance
from mvcd.repo.bases.namesakes import folded
from mvcd.repo.bases.others import chunks_of
from mvcd.repo.bases.past import MAX_LISTED_FILES, weights
from mvcd.repo.contents.files import recipe_of
from mvcd.repo.records.refs import versions_of_refs
from mvcd.store.api import Forms, Store
from mvcd.store.record import record_size

_ELEMENTS: Final = TENSOR_PIECE_BYTES // 4
"""Elements of a chunk of F32; one of BF16 has twice as many."""

_Key = tuple[str, tuple[int, ...]]
"""The name of a tensor without prefixes, and its shape."""


class _Place(NamedTuple):
    path: str
    segment: Segment


def plans(store: Store) -> Iterator[Forms]:
    """New forms for the masters of one chunk of a copy after the other, where that saves something."""
    links = {ChunkId(id): info.base for id, info in store.ids() if info.base is not None}
    anchors = _Anchors(store, links)
    for id in dict.fromkeys(versions_of_refs(store.refs())):
        if store.has([id])[0]:
            version = Version.decode(store.get(id))
            for master, copies in _pairs(version, store.get):
                yield from anchors.forms(master, copies)


def _pairs(version: Version, fetch: Fetch) -> Iterator[tuple[Segment, list[Segment]]]:
    """F32 tensors of a version, and the BF16 ones that may be copies of them, the likest paths first."""
    found: dict[str, dict[_Key, list[_Place]]] = {
        WIDE: defaultdict(list),
        NARROW: defaultdict(list),
    }
    for entry in islice(weights(version, fetch), MAX_LISTED_FILES):
        try:
            segments = recipe_of(entry, fetch).tensors().values()
        except IntegrityError:
            continue  # absent by choice, or damaged: that is for `check` to report
        for segment in segments:
            tensor = segment.tensor
            if tensor is not None and tensor.dtype in found:
                key = folded(tensor.name), tensor.shape
                found[tensor.dtype][key].append(_Place(entry.path, segment))
    for key, masters in found[WIDE].items():
        copies = found[NARROW].get(key, [])
        for path, segment in masters if copies else ():
            copies.sort(key=lambda copy: distance(path, copy.path))
            yield segment, [copy.segment for copy in copies[:TRIED_FILES]]


class _Anchors:
    """Forms for masters; remembers which chunks have one."""

    def __init__(self, store: Store, links: Mapping[ChunkId, ChunkId]) -> None:
        self._store = store
        self._links = links
        self._encoder = Encoder()
        self._done: set[ChunkId] = set()
        self._resting: dict[ChunkId, list[ChunkId]] = defaultdict(list)
        for id, base in links.items():
            self._resting[base].append(id)

    def forms(self, master: Segment, copies: Sequence[Segment]) -> Iterator[Forms]:
        try:
            wide = chunks_of(master, self._store.get)
            for copy in copies:
                narrow = chunks_of(copy, self._store.get)
                if self._is_copy(wide, narrow):
                    for number, id in enumerate(narrow):
                        pair = [c for c in wide[2 * number : 2 * number + 2] if c is not None]
                        if id is not None and (forms := self._plan(id, pair)):
                            yield forms
                    return
        except IntegrityError:
            return  # as above

    def _is_copy(self, wide: Sequence[ChunkId | None], narrow: Sequence[ChunkId | None]) -> bool:
        """Whether the first chunks say so."""
        if not wide or not narrow or wide[0] is None or narrow[0] is None:
            return False
        data, copy = self._store.get(wide[0]), self._store.get(narrow[0])
        return lost_bits(data, copy, 0) <= MOST_LOST_BITS

    def _plan(self, copy: ChunkId, masters: Sequence[ChunkId]) -> Forms:
        """The copy and what it rests on as they are, then the masters in their new forms. None of it where that
        saves too little."""
        chain = chain_of(self._links.get, copy)
        left = {
            id: start
            for id, start in zip(masters, (0, _ELEMENTS), strict=False)
            if id not in self._done and len(chain) + self._below(id) <= MOST_LEVELS + 1
        }
        codecs = self._store.codecs([*left])
        narrow = self._store.get(copy) if left else b""
        found = []
        for id, start in left.items():
            if codecs.get(id) is not Codec.WIDENED4:
                form = self._widened(id, copy, narrow, start)
                found += [] if form is None else [(id, form)]
        if not found:
            return []
        self._done.update(id for id, _ in found)
        kept = [(id, self._store.get_encoded(id)) for id in reversed(chain)]
        return [*((id, e._replace(body=bytes(e.body))) for id, e in kept), *found]

    def _widened(self, id: ChunkId, copy: ChunkId, narrow: bytes, start: int) -> Encoded | None:
        data = self._store.get(id)
        if lost_bits(data, narrow, start) > MOST_LOST_BITS:
            return None
        made = self._encoder.encode(
            data, element_size=4, dtype=WIDE, base=(copy, narrow), widen=start
        )
        size = record_size(len(made.body), made.base is not None)
        before = self._store.infos([id])[id].record_size
        saves = made.base is not None and before - size >= DELTA_SAVES_SHARE * len(data)
        return made._replace(body=bytes(made.body)) if saves else None

    def _below(self, id: ChunkId) -> int:
        """Levels of what rests on a chunk."""
        levels, layer = 0, self._resting.get(id, [])
        while layer and levels <= MOST_LEVELS:
            levels, layer = levels + 1, [o for one in layer for o in self._resting.get(one, [])]
        return levels
