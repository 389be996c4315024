"""Which chunk a tensor's piece may be stored as a difference from: the same piece of the same tensor, before.

Between checkpoints of one run the sign, the exponent and the upper mantissa of most weights stay, so the
difference to the one before is mostly zeros there. Which base is right was found to matter more than the
codec (TensorDex, SOSP'26); for a version control system the parent version is the first candidate and costs
nothing to find. If the piece before is itself a difference, chains.py says which chunk of its chain is taken.

A tensor is looked for in the parent's version of its file, and then in the weight files whose paths are most
like its own: `checkpoint-20/model.safetensors` for `checkpoint-30/model.safetensors`, the shards of a model
that was sharded anew; those in a directory that the config.json beside it names come after its own series.
These are of the parent, or were read earlier in this run; what none of them has is looked for in the versions
before (past.py). What mvc.toml says is the base (stated.py) is looked at besides, and the nearer one is taken.
A tensor has to have the same dtype and shape, and the same name but for prefixes (namesakes.py), or the same
signs (sketches.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import compress, islice, repeat

from mvcd.codec.likeness import SAMPLE_BYTES, difference_bits
from mvcd.errors import IntegrityError
from mvcd.ids import Bytes, ChunkId, Digest, RecipeId, VersionId
from mvcd.inspect.spans import Layout, Span, TensorInfo
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Segment
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.bases.casts import LOST_BITS, WIDE, Casts, StoredCopies
from mvcd.repo.bases.chains import Base, TensorPiece, chains_of, choose
from mvcd.repo.bases.likepaths import distance, form_of
from mvcd.repo.bases.named import lies_in, named_beside
from mvcd.repo.bases.namesakes import KindPlace, TensorIndex
from mvcd.repo.bases.neighbours import EditedFile, Neighbours
from mvcd.repo.bases.others import MAX_LIKE_FILES, FoundTensor, OtherFiles, Piece, Pieces, last_part
from mvcd.repo.bases.past import LikeFiles, Unlikeness, past_weights, weights
from mvcd.repo.bases.sketches import HEAD_BYTES, StoredSketches
from mvcd.repo.bases.stated import StatedBase, StatedBases
from mvcd.repo.bases.thisrun import EarlierFile, ThisRun, bytes_at
from mvcd.repo.contents.files import VersionFiles, recipe_of
from mvcd.store.api import Store

MAX_GONE_FILES = 16
"""Files of versions before the parent that a tensor is looked for in, if it is nowhere else."""

COMPARE_EVERY_CHUNKS = 32
"""Chunks of a file between two for which the one before and its base are compared."""

_KEPT_FILES = 2 * MAX_LIKE_FILES
_KEPT_FINDER_FILES = 4
"""Finders kept: files come one after another, and some pieces of the last are still at work."""
_LOOKED_FOR_TENSORS = 256
"""Tensors of a file that are looked for to know whether any has a base in this run."""


class TensorBases:
    """Looks bases up in a parent version, and in what was read before in this run. Thread-safe."""

    def __init__(
        self,
        parent: Version,
        store: Store,
        fetch: Fetch,
        *,
        stated: StatedBases | None = None,
        load: Callable[[VersionId], Version] | None = None,
    ) -> None:
        """`stated`: where bases are by the workspace's settings. `load` reads the versions before the parent;
        without it they are not looked at."""
        self._stated = stated
        self._files = VersionFiles(parent, fetch)
        self.store = store
        self.fetch = fetch
        self.run = ThisRun()
        self._lock = threading.RLock()  # for_path asks for the tensors of the path itself
        self._finders: dict[str, FileTensors] = {}
        self._like = LikeFiles(lambda: weights(parent, fetch))
        self._gone = LikeFiles(
            lambda: iter(()) if load is None else past_weights(parent, load, fetch)
        )
        self._indexes: dict[RecipeId, TensorIndex[Segment]] = {}
        self.sketches = StoredSketches(self.tensors, fetch, self.get)

    def for_path(self, path: str) -> FileTensors:
        with self._lock:
            if path not in self._finders:
                while len(self._finders) >= _KEPT_FINDER_FILES:
                    self._finders.pop(next(iter(self._finders)))
                self._finders[path] = FileTensors(self, path)
            return self._finders[path]

    def own(self, path: str) -> TensorIndex[Segment]:
        """The tensors of the file at `path`; none if it is not there."""
        try:
            placed = self._files.find(path)
        except IntegrityError:
            placed = None
        return TensorIndex(()) if placed is None else self.tensors(placed.entry)

    def alike(self, path: str, unlikeness: Unlikeness) -> list[Entry]:
        """The parent's other weight files, those with the likest paths first."""
        with self._lock:
            return self._like.alike(path, unlikeness, MAX_LIKE_FILES)

    def gone(self, path: str, unlikeness: Unlikeness) -> list[Entry]:
        """Weight files that versions before the parent had, those with the likest paths first."""
        with self._lock:
            return self._gone.sorted(path, unlikeness, MAX_GONE_FILES)

    def edited(self, path: str) -> EditedFile | None:
        """The file at `path` as it was before, if it was there."""
        try:
            placed = self._files.find(path)
            if placed is None or placed.entry.mode is Mode.SYMLINK:
                return None
            before = Neighbours(recipe_of(placed.entry, self.fetch), self.fetch)
        except IntegrityError:
            return None
        return EditedFile(before, self.base_of, self.get)

    def tensors(self, entry: Entry) -> TensorIndex[Segment]:
        """The tensors of a file of the parent; none where that is not here."""
        with self._lock:
            found = self._indexes.get(entry.recipe)
            if found is None:
                try:
                    segments = recipe_of(entry, self.fetch).tensors().values()
                except IntegrityError:
                    segments = ()  # type: ignore[assignment]
                found = TensorIndex(
                    (s.tensor.name, s.tensor.dtype, s.tensor.shape, s)
                    for s in segments
                    if s.tensor is not None
                )
                if len(self._indexes) >= _KEPT_FILES:
                    self._indexes.pop(next(iter(self._indexes)))
                self._indexes[entry.recipe] = found
            return found

    def stated_for(self, path: str) -> StatedBase | None:
        return None if self._stated is None else self._stated.of(path)

    def stated_files(self, line: StatedBase, *, earlier: bool) -> list[Entry]:
        """Files of a base that is stated; where some are not here, that is noted."""
        if self._stated is None:
            return []
        listed = self._stated.entries(line, earlier=earlier)
        here = self.store.has([entry.recipe for entry in listed])
        if not all(here):
            self._stated.absent(line)
        return list(compress(listed, here))

    @property
    def unfound(self) -> tuple[tuple[str, str], ...]:
        """Lines of the workspace's settings that were of no use, and why."""
        return () if self._stated is None else self._stated.noted

    def not_here(self, line: StatedBase) -> None:
        """Content of a base that is stated is not here."""
        if self._stated is not None:
            self._stated.absent(line)

    def has(self, id: ChunkId) -> bool:
        return self.run.has(id) or self.store.has((id,))[0]

    def base_of(self, id: ChunkId) -> ChunkId | None:
        return self.run.base(id) if self.run.has(id) else self.store.info(id).base

    def get(self, id: ChunkId) -> bytes:
        return self.run.get(id) if self.run.has(id) else self.store.get(id)

    def bases_of(self, ids: Collection[ChunkId]) -> dict[ChunkId, ChunkId | None]:
        """The bases of those chunks that are here."""
        found = {id: self.run.base(id) for id in ids if self.run.has(id)}
        with suppress(IntegrityError):
            stored = self.store.infos([id for id in ids if id not in found])
            found |= {ChunkId(id): info.base for id, info in stored.items()}
        return found

    def read(self, ids: Collection[ChunkId]) -> dict[Digest, bytes]:
        """The raw bytes of those chunks that are here, to make differences to."""
        found: dict[Digest, bytes] = {}
        for id in ids:
            with suppress(IntegrityError):
                if self.run.has(id):
                    found[id] = self.run.get(id)
        with suppress(IntegrityError):
            left = [id for id in ids if id not in found]
            found.update(self.store.get_many(left, as_bases=True))
        return found


class FileTensors:
    """Bases for the tensors of one file, from the parent's version of it or from files like it."""

    def __init__(self, known: TensorBases, path: str) -> None:
        self._known = known
        self._path = path
        self._lock = threading.Lock()
        self._own = known.own(path)
        self._earlier: list[EarlierFile] = []
        self._casts: Casts | None = None
        self._place = self._named = ""
        self._tensors: TensorIndex[Span] | None = None
        self._places: dict[str, KindPlace] | None = None
        self._others: OtherFiles | None = None
        self._gone: OtherFiles | None = None
        self._before = Pieces(self._search, known.fetch)
        self._line = known.stated_for(path)
        self._stated = None if self._line is None else Pieces(self._search_stated, known.fetch)
        self._stated_others: OtherFiles | None = None
        self._siblings = _Sampled()
        self._stated_is_nearer = _Sampled()
        self._looked = False
        self._edited: EditedFile | None = None

    # ---------------------------------------------------------------- what the reader tells

    def begin(self, place: str, shape: Layout) -> bool:
        """The file at `place` is read from now on. Returns whether differences may be made to what this run has
        put so far, so that all of it must have been put."""
        self._place, self._named = place, named_beside(place)
        self._earlier = [f for f in self._known.run.files() if f.path != self._path]  # read again
        self._earlier.sort(key=lambda file: distance(self._path, file.path))
        self._casts = casts = Casts(self._earlier, self._known.base_of, self._stored_copies)
        self._tensors = self._known.run.begin(self._path, place, shape)
        if any(self._is_stated(file) for file in self._earlier):
            return True
        tensors = (span.tensor for span in shape.spans if span.tensor is not None)
        return any(
            casts.any(tensor)
            or (
                self._own.exact(tensor.name, kind := (tensor.dtype, tensor.shape)) is None
                and any(file.tensors.named(tensor.name, kind) for file in self._earlier)
            )
            for tensor in islice(tensors, _LOOKED_FOR_TENSORS)
        )

    def put(self, id: ChunkId, base: ChunkId | None, offset: int, size: int) -> None:
        """A chunk of the file was put, the `size` bytes at `offset`."""
        if self._place:
            self._known.run.put(id, base, self._place, offset, size)

    def taken(self, base: Base, *, paid: bool) -> None:
        """Hears whether the difference to a base was worth it."""
        if base.source is None:
            return
        if isinstance(base.source, EditedFile):
            base.source.taken(paid=paid)
            return
        other, part = base.source
        with self._lock:
            if other.taken(part, paid=paid):
                self._before.forget()
                if self._stated is not None:
                    self._stated.forget()

    # ---------------------------------------------------------------- what it is told

    def edited(self, chunks: Sequence[tuple[ChunkId, int]], start: int) -> Iterator[Base | None]:
        """What chunks (id, size in bytes) of a file without tensors were before, from offset `start` on."""
        with self._lock:
            if not self._looked:
                self._looked, self._edited = True, self._known.edited(self._path)
            edited = self._edited
        return repeat(None, len(chunks)) if edited is None else edited.bases(chunks, start)

    def bases(self, pieces: Sequence[TensorPiece]) -> list[Base | None]:
        """What to subtract from each piece of the file; they are read together."""
        found: list[Base | None] = [None] * len(pieces)
        before: dict[int, Piece] = {}
        for number, piece in enumerate(pieces):
            with suppress(IntegrityError):
                proposed = self._proposed(piece)
                if isinstance(proposed, Base):
                    found[number] = proposed
                elif proposed is not None:
                    before[number] = proposed
        chains = chains_of(self._known.bases_of, {piece.chunk for piece in before.values()})
        chosen: dict[int, tuple[ChunkId, float]] = {}
        for number, there in before.items():
            if there.chunk in chains:
                links = chains[there.chunk]
                with suppress(IntegrityError):
                    siblings = self._are_siblings(pieces[number], links)
                    chosen[number] = choose(links, siblings=siblings)
        raws = self._known.read({id for id, _ in chosen.values()})
        for number, (id, pays) in chosen.items():
            if id in raws:
                other, part = before[number].other, last_part(pieces[number].tensor)
                found[number] = Base(id, raws[id], pays, other and (other, part))
        return found

    def _proposed(self, piece: TensorPiece) -> Base | Piece | None:
        """The chunk that was there before, or a copy that is nearer."""
        tensor, index, data = piece
        with self._lock:
            before, stated = self._before.at(tensor, index), self._stated_at(tensor, index)
        nearer = self._nearer(tensor, data, before, stated)
        cast = self._cast(tensor, index, data)
        return nearer if cast is None or self._is_near(data, nearer) else cast

    def _are_siblings(self, piece: TensorPiece, links: list[ChunkId]) -> bool:
        """Whether a piece is no nearer to the one before than to that one's base."""
        tensor, _, data = piece
        return len(links) > 1 and self._siblings.told(
            lambda: self._bits(tensor, data, links[1]) <= self._bits(tensor, data, links[0])
        )

    def _cast(self, tensor: TensorInfo, index: int, data: Bytes) -> Base | None:
        """The BF16 copy of F32 `data`."""
        if self._casts is None or tensor.dtype != WIDE:
            return None
        new = self._own.named(tensor.name, (tensor.dtype, tensor.shape)) is None
        return self._casts.base(tensor, index, data, new=new)

    def _stored_copies(self) -> list[StoredCopies]:
        """The files of the version before in which copies are looked for, the likest first."""
        known = self._known
        alike = known.alike(self._path, self._unlikeness)
        return [StoredCopies(known.tensors(entry), known.fetch, known.get) for entry in alike]

    def _is_near(self, data: Bytes, before: Piece | None) -> bool:
        """Whether the difference of F32 `data` to `before` is smaller than what a BF16 copy lacks."""
        if before is None:
            return False
        size = min(len(data), SAMPLE_BYTES) // 4
        there = self._known.get(before.chunk)
        return difference_bits(data, there, element_size=4, dtype=WIDE) < LOST_BITS * size

    def _nearer(
        self, tensor: TensorInfo, data: Bytes, before: Piece | None, stated: Piece | None
    ) -> Piece | None:
        """What mvc.toml says is the base, or what was before: a model may have been replaced by a fine-tune of
        another, or the fine-tune have been trained on."""
        if before is None or stated is None or before.chunk == stated.chunk:
            return before or stated
        nearer = self._stated_is_nearer.told(
            lambda: self._bits(tensor, data, stated.chunk) < self._bits(tensor, data, before.chunk)
        )
        return stated if nearer else before

    def _bits(self, tensor: TensorInfo, data: Bytes, chunk: ChunkId) -> int:
        size, dtype = tensor.element_size, tensor.dtype
        return difference_bits(data, self._known.get(chunk), element_size=size, dtype=dtype)

    def _search(self, tensor: TensorInfo) -> FoundTensor | None:
        if (own := self._own.named(tensor.name, (tensor.dtype, tensor.shape))) is not None:
            return FoundTensor(None, own)
        if self._others is None:
            alike = self._known.alike(self._path, self._unlikeness)
            self._others = self._ordered([*self._earlier, *alike], self._unlikeness)
        found = self._others.search(tensor)
        if found is not None or self._others.has_left(tensor):
            return found
        if self._gone is None:
            gone = self._known.gone(self._path, self._unlikeness)
            self._gone = OtherFiles(
                gone, self._known.tensors, self._place_of, self._head_of, self._known.sketches.of
            )
        return self._gone.search(tensor)

    # ---------------------------------------------------------------- what mvc.toml says

    def _stated_at(self, tensor: TensorInfo, index: int) -> Piece | None:
        """The piece of the base that is stated; None, and a note, where that is not here."""
        if self._stated is None or self._line is None:
            return None
        try:
            piece = self._stated.at(tensor, index)
            if piece is None or self._known.has(piece.chunk):
                return piece
        except IntegrityError:
            pass
        self._known.not_here(self._line)
        return None

    def _search_stated(self, tensor: TensorInfo) -> FoundTensor | None:
        assert self._line is not None
        if self._stated_others is None:
            earlier = [file for file in self._earlier if self._is_stated(file)]
            listed = self._known.stated_files(self._line, earlier=bool(earlier))
            self._stated_others = self._ordered(
                [*earlier, *listed], lambda path: distance(self._path, path)
            )
        return self._stated_others.search(tensor)

    def _is_stated(self, file: EarlierFile) -> bool:
        line = self._line
        return line is not None and line.rev is None and line.holds(file.path)

    # ---------------------------------------------------------------- other files

    def _ordered(
        self, files: list[Entry | EarlierFile], unlikeness: Callable[[str], tuple[object, ...]]
    ) -> OtherFiles:
        files.sort(key=lambda file: unlikeness(file.path))
        return OtherFiles(
            files, self._known.tensors, self._place_of, self._head_of, self._known.sketches.of
        )

    def _unlikeness(self, path: str) -> tuple[object, ...]:
        """Orders other files: those of the same series, those in the directory that is named, others."""
        in_series = form_of(path) == form_of(self._path)
        return not in_series, not lies_in(path, self._named), *distance(self._path, path)

    def _head_of(self, tensor: TensorInfo) -> bytes | None:
        """The first bytes of a tensor of the file that is read."""
        if self._tensors is None:
            return None
        span = self._tensors.exact(tensor.name, (tensor.dtype, tensor.shape))
        return (
            None if span is None else bytes_at(self._place, span.offset, min(span.size, HEAD_BYTES))
        )

    def _place_of(self, name: str) -> KindPlace | None:
        if self._places is None:
            self._places = {} if self._tensors is None else self._tensors.places()
        return self._places.get(name)


class _Sampled:
    """An answer that is found out anew every COMPARE_EVERY_CHUNKS times that it is asked for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._answer = False

    def told(self, find_out: Callable[[], bool]) -> bool:
        with self._lock:  # also while it is found out: nobody goes by what is not known yet
            due = self._left == 0
            self._left = (COMPARE_EVERY_CHUNKS if due else self._left) - 1
            if due:
                self._answer = find_out()
            return self._answer
