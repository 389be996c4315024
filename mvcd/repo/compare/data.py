"""What changed in the data: rows and columns of tables, images by class, equal files, splits that share some.

Equal files are found by their recipes, so nothing is read for that. Rows must be counted, which is done for
tables up to ROW_BYTES in all; summaries of columns read every changed table whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, BinaryIO, cast

from mvcd.ids import RecipeId
from mvcd.inspect.columns import Column
from mvcd.inspect.splits import class_of, is_image, split_of
from mvcd.inspect.table import Table
from mvcd.inspect.tables import format_of, read_table
from mvcd.monitor import Monitor
from mvcd.objects.entry import Mode
from mvcd.objects.version import Component
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.contents.files import ABSENT, Placed

ROW_BYTES = 64 << 20
"""Most bytes of changed tables, both sides together, that are read to count rows: about a second. Parquet files
count as nothing, for their footers have the figure."""

MAX_TABLES = 1000
"""Changed tables that are looked into; the rest are files."""

_EXAMPLE_FILES = 3
NOT_COUNTED = "large, not read"
"""The problem of a table that ROW_BYTES left out."""
NOT_HERE = "content not here"
"""The problem of a table that was pruned or never fetched."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table on both sides; None where it is not there. What one side only has counts as added or removed."""

    path: str
    format: str
    old: Table | None
    new: Table | None

    @property
    def columns_added(self) -> tuple[Column, ...]:
        return _only(self.new, self.old)

    @property
    def columns_removed(self) -> tuple[Column, ...]:
        return _only(self.old, self.new)

    @property
    def columns_retyped(self) -> tuple[tuple[Column, Column], ...]:
        """(old, new) of columns whose types are known and differ."""
        if self.old is None or self.new is None:
            return ()
        before = {column.name: column for column in self.old.columns}
        return tuple(
            (before[column.name], column)
            for column in self.new.columns
            if column.name in before and _retyped(before[column.name], column)
        )

    @property
    def reordered(self) -> bool:
        """Whether the columns are the same ones in another order."""
        if self.old is None or self.new is None:
            return False
        before = [column.name for column in self.old.columns]
        after = [column.name for column in self.new.columns]
        return before != after and sorted(before) == sorted(after)


def problems(table: TableChange) -> tuple[str | None, str | None]:
    """Why either side could not be read."""
    old, new = table.old, table.new
    return old.problem if old is not None else None, new.problem if new is not None else None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Files of two splits with equal content; `examples` are pairs of their paths."""

    splits: tuple[str, str]
    files: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DataChange:
    """`images` has classes (directories) whose number of images differs: (old, new). `duplicates` are groups of
    equal files within the new side, of one split each, that have more of them than on the old side, `repeated`
    in all; `overlaps` equal files across splits of the new side."""

    tables: tuple[TableChange, ...] = ()
    images: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    duplicates: tuple[tuple[str, ...], ...] = ()
    repeated: int = 0
    overlaps: tuple[Overlap, ...] = ()

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
    if not any(_is_data(placed) for change in sides.changes.values() for placed in change):
        return DataChange()
    tables = tuple(_tables(sides, summaries=False))
    try:
        files = _files(sides.new)
    except ABSENT:
        return DataChange(tables)
    duplicates, repeated = _duplicates(sides, files)
    return DataChange(tables, _images(sides, files), duplicates, repeated, _overlaps(files))


def summarise_tables(sides: Sides) -> tuple[TableChange, ...]:
    """Every changed table with a summary of its columns, each read whole. Raises as `compare_data`."""
    entries = [
        placed.entry
        for path, change in sides.changes.items()
        if format_of(path) is not None
        for placed in change
        if placed is not None and placed.component is Component.DATA
    ]
    sides.monitor.begin("tables", total_bytes=sum(entry.size for entry in entries))
    try:
        return tuple(_tables(sides, summaries=True))
    finally:
        sides.monitor.finish()


def _is_data(placed: Placed | None) -> bool:
    return placed is not None and placed.component is Component.DATA


# ---------------------------------------------------------------- tables


def _tables(sides: Sides, *, summaries: bool) -> Iterator[TableChange]:
    left = ROW_BYTES
    looked = 0
    moved = _moved(sides)
    for path, (before, after) in sorted(sides.changes.items()):
        kind = format_of(path)
        if kind is None or not (_is_data(before) or _is_data(after)):
            continue
        alone = before if after is None else after if before is None else None
        if alone is not None and alone.entry.recipe in moved:
            continue
        looked += 1
        if looked > MAX_TABLES:
            return
        size = sum(p.entry.size for p in (before, after) if p is not None)
        cost = 0 if kind == "parquet" else size
        read = summaries or cost <= left
        left -= cost if read else 0
        monitor = sides.monitor if summaries else None
        old, new = (
            _table(side, placed, read=read, monitor=monitor)
            for side, placed in ((sides.old, before), (sides.new, after))
        )
        yield TableChange(path, kind, old, new)


def _moved(sides: Sides) -> set[RecipeId]:
    """Contents that went at one path and came at another: renamed files, whose tables have not changed."""
    gone = {a.entry.recipe for a, b in sides.changes.values() if a is not None and b is None}
    return gone & {b.entry.recipe for a, b in sides.changes.values() if a is None and b is not None}


def _table(
    side: Side, placed: Placed | None, *, read: bool, monitor: Monitor | None
) -> Table | None:
    """With `monitor`, which hears of every block, columns are summarised."""
    if placed is None or placed.component is not Component.DATA:
        return None
    if placed.entry.mode is Mode.SYMLINK:
        return Table(problem="a symbolic link")
    if not read:
        return Table(problem=NOT_COUNTED)
    try:
        with side.open(placed.entry) as file:
            if monitor is None:
                return read_table(placed.entry.path, file)
            told = cast(BinaryIO, _Told(file, monitor))
            return read_table(placed.entry.path, told, summaries=True)
    except ABSENT:
        return Table(problem=NOT_HERE)


class _Told:
    """A file whose reading a monitor hears of."""

    def __init__(self, file: BinaryIO, monitor: Monitor) -> None:
        self._file = file
        self._monitor = monitor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._monitor.advance(bytes_done=len(data))
        return data


def _only(here: Table | None, there: Table | None) -> tuple[Column, ...]:
    """Columns of one side; none when the other is absent or could not be read."""
    if here is None or there is None or here.problem or there.problem:
        return ()
    names = {column.name for column in there.columns}
    return tuple(column for column in here.columns if column.name not in names)


def _retyped(old: Column, new: Column) -> bool:
    return bool(old.type and new.type and old.type != new.type)


# ---------------------------------------------------------------- files

_Content = tuple[bytes, str | None]
"""What a file holds, and the split that it is part of."""


def _files(side: Side) -> list[Placed]:
    return [p for p in side.files.all([Component.DATA]) if p.entry.mode is not Mode.SYMLINK]


def _images(sides: Sides, files: list[Placed]) -> dict[str, tuple[int, int]]:
    """The old counts follow from the new ones and what changed, so one side is listed only."""
    new = Counter(class_of(p.entry.path) for p in files if is_image(p.entry.path))
    moved: Counter[str] = Counter()
    for path, (before, after) in sides.changes.items():
        if is_image(path):
            moved[class_of(path)] += _is_data(after) - _is_data(before)
    return {name: (new[name] - n, new[name]) for name, n in sorted(moved.items()) if n}


def _duplicates(sides: Sides, files: list[Placed]) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Groups that grew, the largest first, and by how many files that only repeat another."""
    groups: dict[_Content, list[str]] = defaultdict(list)
    for placed in files:
        if placed.entry.size:
            groups[_content(placed)].append(placed.entry.path)
    more: Counter[_Content] = Counter()
    for before, after in sides.changes.values():
        more.subtract(_content(placed) for placed in (before,) if placed and _is_data(placed))
        more.update(_content(placed) for placed in (after,) if placed and _is_data(placed))
    grown = {key: paths for key, paths in groups.items() if len(paths) > 1 and more[key] > 0}
    found = [tuple(sorted(paths)) for paths in grown.values()]
    repeated = sum(min(more[key], len(paths) - 1) for key, paths in grown.items())
    return tuple(sorted(found, key=lambda paths: (-len(paths), paths))), repeated


def _content(placed: Placed) -> _Content:
    return placed.entry.recipe, split_of(placed.entry.path)


def _overlaps(files: list[Placed]) -> tuple[Overlap, ...]:
    """Contents that two splits share; a content counts once however often either has it."""
    contents: dict[str, dict[bytes, str]] = defaultdict(dict)
    for placed in files:
        split = split_of(placed.entry.path)
        if split is not None and placed.entry.size:
            contents[split].setdefault(placed.entry.recipe, placed.entry.path)
    order = [split for split in ("train", "val", "test") if split in contents]
    found = []
    for a, b in combinations(order, 2):
        shared = sorted(contents[a].keys() & contents[b].keys(), key=lambda id: contents[a][id])
        if shared:
            pairs = tuple((contents[a][id], contents[b][id]) for id in shared[:_EXAMPLE_FILES])
            found.append(Overlap((a, b), len(shared), pairs))
    return tuple(found)
