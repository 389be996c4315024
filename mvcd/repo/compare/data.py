"""What changed in the data: rows and columns of tables, images by class, equal files, splits that share some.

Equal files are found by their recipes, so nothing is read for that. Tables are in tablechanges.py, what splits
share in mvcd/repo/contents/overlaps.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from mvcd.inspect.splits import class_of, is_about, is_image, split_of
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.glance import entries_with
from mvcd.objects.version import Component
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.compare.tablechanges import TableChange, is_data, table_changes
from mvcd.repo.contents.files import ABSENT, Placed
from mvcd.repo.contents.overlaps import NearOverlap, Overlap, overlaps

MAX_LISTED_FILES = 50_000
"""Data files of the new side up to which all are listed, in a quarter of a second."""


@dataclass(frozen=True, slots=True)
class DataChange:
    """`images` has classes (directories) whose number of images differs: (old, new). `duplicates` are groups of
    equal files within the new side, of one split each, that have more of them than on the old side, `repeated`
    in all; `overlaps` equal files across splits of the new side, `near` near-equal ones (see NearOverlap), but
    for `unlooked` files, too many to be looked at. Of `unlisted` files, too many to be listed, only those were
    looked at whose content a changed file has, and classes of few images."""

    tables: tuple[TableChange, ...] = ()
    images: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    duplicates: tuple[tuple[str, ...], ...] = ()
    repeated: int = 0
    overlaps: tuple[Overlap, ...] = ()
    near: tuple[NearOverlap, ...] = ()
    unlooked: int = 0
    unlisted: int = 0

    @property
    def rows(self) -> tuple[int, int] | None:
        """Rows of all changed tables; None where one was not counted or there is none."""
        sides = [(t.old, t.new) for t in self.tables]
        counts = [0 if table is None else table.rows for pair in sides for table in pair]
        if not counts or None in counts:
            return None
        known = [count or 0 for count in counts]
        return sum(known[::2]), sum(known[1::2])


def compare_data(sides: Sides) -> DataChange:
    """Compares data; content that is not here (pruned, never fetched) is told as far as the rest tells it.
    Raises CorruptObject."""
    if not any(is_data(placed) for change in sides.changes.values() for placed in change):
        return DataChange()
    tables = tuple(table_changes(sides, summaries=False))
    count = sides.new.version.components[Component.DATA].files
    unlisted = count if count > MAX_LISTED_FILES else 0
    moved = _moved(sides)
    try:
        files = listed = _alike(sides) if unlisted else _files(sides.new)
        if unlisted:
            few = _few_images(sides, moved)
            listed = [*chain.from_iterable(few.values())]
            moved = {name: moved[name] for name in few}
    except ABSENT:
        return DataChange(tables)
    duplicates, repeated = _duplicates(sides, files)
    shared = overlaps(files, sides.new.fetch)
    return DataChange(
        tables,
        _images(moved, listed),
        duplicates,
        repeated,
        shared.equal,
        shared.near,
        shared.unlooked,
        unlisted,
    )


def summarise_tables(sides: Sides) -> tuple[TableChange, ...]:
    """Every changed table with a summary of its columns, each read whole. Raises as `compare_data`."""
    return tuple(table_changes(sides, summaries=True))


# ---------------------------------------------------------------- files

_Content = tuple[bytes, str | None]
"""What a file holds, and the split that it is part of."""


def _files(side: Side) -> list[Placed]:
    return [p for p in side.files.all([Component.DATA]) if p.entry.mode is not Mode.SYMLINK]


def _alike(sides: Sides) -> list[Placed]:
    """The files of the new side that have the content of one that changed."""
    root = sides.new.version.components[Component.DATA].root
    changed = {p.entry.recipe for pair in sides.changes.values() for p in pair if p and is_data(p)}
    if root is None:
        return []
    return [
        Placed(Component.DATA, Entry(path, Mode(mode), size, recipe))
        for path, recipe, mode, size in entries_with(root, changed, sides.new.fetch)
        if Mode(mode) is not Mode.SYMLINK
    ]


def _few_images(sides: Sides, moved: Mapping[str, int]) -> dict[str, list[Placed]]:
    """The files of those classes that have no more than MAX_LISTED_FILES together, class by class."""
    found: dict[str, list[Placed]] = {}
    left = MAX_LISTED_FILES
    for name in sorted(moved):
        here = list(islice(sides.new.files.all([Component.DATA], name or None), left + 1))
        if len(here) <= left:
            found[name] = here
            left -= len(here)
    return found


def _images(moved: Mapping[str, int], files: Iterable[Placed]) -> dict[str, tuple[int, int]]:
    """The old counts follow from the new ones and what changed, so one side is listed only."""
    new = Counter(
        class_of(p.entry.path)
        for p in files
        if is_image(p.entry.path) and p.entry.mode is not Mode.SYMLINK
    )
    return {name: (new[name] - n, new[name]) for name, n in sorted(moved.items())}


def _moved(sides: Sides) -> dict[str, int]:
    """By how many images the classes grew that did not stay as large as they were."""
    moved: Counter[str] = Counter()
    for path, (before, after) in sides.changes.items():
        if is_image(path):
            moved[class_of(path)] += is_data(after) - is_data(before)
    return {name: n for name, n in moved.items() if n}


def _duplicates(sides: Sides, files: list[Placed]) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Groups that grew, the largest first, and by how many files that only repeat another; not of files that
    describe data."""
    groups: dict[_Content, list[str]] = defaultdict(list)
    for placed in files:
        if placed.entry.size and not is_about(placed.entry.path):
            groups[_content(placed)].append(placed.entry.path)
    more: Counter[_Content] = Counter()
    for before, after in sides.changes.values():
        more.subtract(_content(placed) for placed in (before,) if placed and is_data(placed))
        more.update(_content(placed) for placed in (after,) if placed and is_data(placed))
    grown = {key: paths for key, paths in groups.items() if len(paths) > 1 and more[key] > 0}
    found = [tuple(sorted(paths)) for paths in grown.values()]
    repeated = sum(min(more[key], len(paths) - 1) for key, paths in grown.items())
    return tuple(sorted(found, key=lambda paths: (-len(paths), paths))), repeated


def _content(placed: Placed) -> _Content:
    return placed.entry.recipe, split_of(placed.entry.path)
