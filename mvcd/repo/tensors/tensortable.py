"""The tensors of one side of a comparison, from the recipes of its weight files, or else from their headers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from math import prod
from typing import NamedTuple

from mvcd.inspect import turning
from mvcd.inspect.spans import TOLD_BY_RECIPES, ReadAt
from mvcd.inspect.statistics import is_number, unit
from mvcd.inspect.tensorfile import (
    Range,
    StoredTensor,
    is_told_beside,
    may_lean_on_others,
)
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import (
    ABSENT,
    FULL_SCAN_LOOKUPS,
    Placed,
    VersionFiles,
    recipe_of,
)
from mvcd.repo.contents.pieces import Content, ContentPiece, UnreadableContent
from mvcd.repo.contents.tensors import Segments


@dataclass(frozen=True, slots=True)
class TensorRow:
    """A tensor in a file. `key` is its content's identity, None where only walking its pieces can tell:
    `stored` as they lie in the file, perhaps compressed, or `pieces` of the tensor itself. `order` and `coded`:
    see `StoredTensor`."""

    path: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int  # bytes
    stored_size: int  # bytes in the file
    key: tuple[str, bytes] | None
    pieces: Callable[[], Iterator[ContentPiece]]
    stored: Callable[[], Iterator[ContentPiece]]
    order: tuple[int, ...] = ()
    coded: bool = False


class TensorSide:
    """A version's weights, or the workspace's: what they are called and how their bytes are reached."""

    def __init__(self, version: Version, content: Content, also: Collection[str] = ()) -> None:
        """`also`: paths of files that are weights on the other side, whatever they are here."""
        self.content = content
        self._also = also
        self._files = VersionFiles(version, content.fetch)
        self._companions: dict[str, Entry | None] = {}

    def entries(self, changed: Collection[str] | None = None) -> dict[str, Entry]:
        """The weight files by path, but for those whose tensors an index lists; with `changed` only those of
        these paths, and what may lean on one of them."""
        files = self._files
        if changed is None or len(changed) > FULL_SCAN_LOOKUPS:
            placed = files.all([Component.WEIGHTS])
        else:
            placed = self._touched(changed)
        others = map(files.find, self._also)
        found = {
            p.entry.path: p.entry
            for p in chain(placed, (p for p in others if p is not None))
            if p.entry.mode is not Mode.SYMLINK and not is_told_beside(p.entry.path)
        }
        return found if changed is None and not self._also else dict(sorted(found.items()))

    def _touched(self, changed: Collection[str]) -> Iterator[Placed]:
        """Weight files of these paths, and those in a directory above one of them whose data may be there.
        Lists of other components' files need not be here."""
        weights = (self._files.find(path, [Component.WEIGHTS]) for path in changed)
        yield from (p for p in weights if p is not None)
        for directory in {above for path in changed for above in _directories_above(path)}:
            listed = self._files.directory(directory, [Component.WEIGHTS]).items()
            yield from (p for name, p in listed if p is not None and may_lean_on_others(name))

    def recipe_rows(
        self, entry: Entry, *, headers: bool = True, recipe: Recipe | None = None
    ) -> Iterator[TensorRow]:
        """Tensors of a file whose recipe lists them; with `headers` those of torch also by their other names,
        unless the header is not here. `recipe`: where it was read already."""
        if recipe is None:
            recipe = recipe_of(entry, self.content.fetch)
        if headers and recipe.format and recipe.format not in TOLD_BY_RECIPES:
            try:
                rows = list(self._header_rows(entry, Segments(recipe)))
            except ABSENT:
                rows = []
            if rows:
                yield from rows
                return
        offset = 0
        for segment in recipe.segments:
            tensor, size = segment.tensor, segment.size
            if tensor is not None:
                pieces = partial(self.content.segment, entry.path, segment, offset)
                yield TensorRow(
                    entry.path, tensor.name, tensor.dtype, tensor.shape, size=size, stored_size=size,
                    key=segment.content_key, pieces=pieces, stored=pieces,
                )  # fmt: skip
            offset += size

    def header_rows(self, entry: Entry) -> Iterator[TensorRow]:
        """Tensors that the file's header lists, for formats that do not rule the cutting."""
        return self._header_rows(entry, None)

    def _header_rows(self, entry: Entry, segments: Segments | None) -> Iterator[TensorRow]:
        """With the identity of their content where they are one of the `segments`."""
        from mvcd.inspect import tensorfiles  # late: start-up

        directory, _, name = entry.path.rpartition("/")
        beside = partial(self._opened, directory)
        found = tensorfiles.read(partial(self.content.read_at, entry), entry.size, name, beside)
        for tensor in found.tensors.values() if found is not None else ():
            located = self._located(entry, directory, tensor)
            if located is not None:
                walk = partial(self._walk, entry.path, located)
                segment = None if segments is None else segments.of(tensor)
                yield TensorRow(
                    entry.path, tensor.name, tensor.dtype, tensor.shape, size=tensor.size,
                    stored_size=tensor.stored_size, pieces=walk,
                    key=None if segment is None else segment.content_key,
                    stored=partial(walk, inflate=False), order=tensor.order, coded=tensor.coded,
                )  # fmt: skip

    def turned(self, row: TensorRow) -> TensorRow:
        """The row with its bytes in the order of its shape. Raises Unreadable for what is too large for that,
        and what reading raises."""
        if not row.order:
            return row
        if row.size > turning.MAX_TURNED_BYTES:
            raise UnreadableContent(
                "its axes lie in another order than before, and it is too large to be turned"
            )

        @cache
        def data() -> bytes:
            return turning.turned(self.content.join(list(row.pieces())), row.shape, row.order)

        def pieces() -> Iterator[ContentPiece]:
            return self.content.literal(row.path, data())

        return replace(row, key=None, pieces=pieces, stored=pieces, order=())

    def _located(
        self, entry: Entry, directory: str, tensor: StoredTensor
    ) -> bytes | list[tuple[tuple[Entry, ...], Range]] | None:
        """None when a file that should hold the data is not there, or too short."""
        if isinstance(tensor.content, bytes):
            return tensor.content
        located: list[tuple[tuple[Entry, ...], Range]] = []
        for place in tensor.content:
            files: list[Entry] = []
            for part in place.parts:
                file = self._beside(directory, part.beside) if part.beside else entry
                if file is None or (not part.literal and part.offset + part.size > file.size):
                    return None
                files.append(file)
            located.append((tuple(files), place))
        return located

    def _walk(
        self,
        path: str,
        located: bytes | list[tuple[tuple[Entry, ...], Range]],
        *,
        inflate: bool = True,
    ) -> Iterator[ContentPiece]:
        if isinstance(located, bytes):
            return self.content.literal(path, located)
        ranges = (self.content.placed(files, place, inflate=inflate) for files, place in located)
        return chain.from_iterable(ranges)

    def _opened(self, directory: str, name: str) -> tuple[ReadAt, int] | None:
        entry = self._beside(directory, name)
        return None if entry is None else (partial(self.content.read_at, entry), entry.size)

    def _beside(self, directory: str, name: str) -> Entry | None:
        path = f"{directory}/{name}" if directory else name
        if path not in self._companions:
            placed = self._files.find(path)
            self._companions[path] = None if placed is None else placed.entry
        return self._companions[path]


class TensorSides(NamedTuple):
    """Both sides of a comparison."""

    old: TensorSide
    new: TensorSide

    def level(self, old: TensorRow, new: TensorRow) -> tuple[TensorRow, TensorRow]:
        """Both with their axes in one order."""
        if old.order == new.order:
            return old, new
        return self.old.turned(old), self.new.turned(new)


def _directories_above(path: str) -> Iterator[str]:
    """From the file's own up to the top, which is ""."""
    while path:
        path = path.rpartition("/")[0]
        yield path


@dataclass(frozen=True, slots=True)
class TensorForm:
    """A tensor on one side: the file it lies in, its dtype and shape."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    size: int  # bytes

    @property
    def readable(self) -> bool:
        """Whether its bytes are numbers to us. Where elements are packed together, their shape has to be whole
        blocks of them: half a byte of padding is no number."""
        if not is_number(self.dtype):
            return False
        width, elements = unit(self.dtype)
        blocks, rest = divmod(self.size, width)
        told = prod(self.shape) * (2 if self.dtype == "F4_X2" else 1)  # which are pairs
        return elements == 1 or (blocks * elements, rest) == (told, 0)


def form_of(row: TensorRow | None) -> TensorForm | None:
    return None if row is None else TensorForm(row.path, row.dtype, row.shape, row.size)
