"""Tables on both sides of a comparison: their rows and columns, of shards all together.

Rows must be counted, which is done for tables up to ROW_BYTES in all; summaries of columns read every changed
table whole.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, cast

from mvcd.ids import RecipeId
from mvcd.inspect.columns import Column
from mvcd.inspect.shardsets import (
    MAX_STATE_BYTES,
    ShardSet,
    by_member,
    may_be_shard,
    problem_of,
    shard_sets,
)
from mvcd.inspect.table import Table
from mvcd.inspect.tables import format_of, read_shards, read_table
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

NOT_COUNTED = "large, not read"
"""The problem of a table that ROW_BYTES left out."""
NOT_HERE = "content not here"
"""The problem of a table that was pruned or never fetched."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table on both sides; None where it is not there. What one side only has counts as added or removed.

    `shards` counts the files of a table that has several, on both sides; then `files` are those of them, and
    of what describes them, that differ.
    """

    path: str
    format: str
    old: Table | None
    new: Table | None
    shards: tuple[int, int] | None = None
    files: tuple[str, ...] = ()

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


class _Unit(NamedTuple):
    """One table before reading: its files on both sides, None where it is not there."""

    path: str
    files: tuple[tuple[Placed, ...] | None, tuple[Placed, ...] | None]
    sets: tuple[ShardSet | None, ShardSet | None] = (None, None)
    changed: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of both sides."""
        return sum(placed.entry.size for files in self.files for placed in files or ())

    @property
    def format(self) -> str:
        first = next(p for files in self.files for p in files or ())
        return format_of(first.entry.path) or ""


def table_changes(sides: Sides, *, summaries: bool) -> Iterator[TableChange]:
    """In the order of their paths. Raises CorruptObject."""
    left = ROW_BYTES
    units = list(_units(sides))[:MAX_TABLES]
    if summaries:
        sides.monitor.begin("tables", total_bytes=sum(unit.size for unit in units))
    try:
        for unit in units:
            cost = 0 if unit.format == "parquet" else unit.size
            read = summaries or cost <= left
            left -= cost if read else 0
            monitor = sides.monitor if summaries else None
            old, new = (
                _read(side, files, shards, read=read, monitor=monitor)
                for side, files, shards in zip(
                    (sides.old, sides.new), unit.files, unit.sets, strict=True
                )
            )
            before, after = (len(files or ()) for files in unit.files)
            shards = (before, after) if any(unit.sets) else None
            yield TableChange(unit.path, unit.format, old, new, shards, unit.changed)
    finally:
        if summaries:
            sides.monitor.finish()


def is_data(placed: Placed | None) -> bool:
    return placed is not None and placed.component is Component.DATA


# ---------------------------------------------------------------- which tables


def _units(sides: Sides) -> Iterator[_Unit]:
    changed = {
        path: change for path, change in sorted(sides.changes.items()) if any(map(is_data, change))
    }
    found = {unit.path: unit for unit in _in_shards(sides, changed)}
    within = {path for unit in found.values() for path in unit.changed}
    moved = _moved(sides)
    for path, change in changed.items():
        if format_of(path) is None or path in within:
            continue
        before, after = change
        alone = before if after is None else after if before is None else None
        if alone is not None and alone.entry.recipe in moved:
            continue
        files = [(placed,) if placed is not None and is_data(placed) else None for placed in change]
        found.setdefault(path, _Unit(path, (files[0], files[1])))
    for _, unit in sorted(found.items()):
        yield unit


def _in_shards(
    sides: Sides, changed: Mapping[str, tuple[Placed | None, Placed | None]]
) -> Iterator[_Unit]:
    """Tables of which a shard changed; none where the list of files is not here."""
    directories = {path.rpartition("/")[0] for path in changed if may_be_shard(path)}
    if not directories:
        return
    try:
        there = {p.entry.path: p for p in sides.new.files.all([Component.DATA])}
    except ABSENT:
        return
    before = dict(there)
    for path, (old, _) in changed.items():
        if old is not None and is_data(old):
            before[path] = old
        else:
            before.pop(path, None)
    both = [
        {p: placed for p, placed in files.items() if p.rpartition("/")[0] in directories}
        for files in (before, there)
    ]
    sets = [_sets(side, files) for side, files in zip((sides.old, sides.new), both, strict=True)]
    members = [by_member(each) for each in sets]
    for path in sorted({*sets[0], *sets[1]}):
        differ = [p for p in changed if any(m.get(p) and m[p].path == path for m in members)]
        if differ:
            pair = sets[0].get(path), sets[1].get(path)
            files = [
                None if each is None else tuple(mine[member] for member in each.members)
                for each, mine in zip(pair, both, strict=True)
            ]
            yield _Unit(path, (files[0], files[1]), pair, tuple(differ))


def _sets(side: Side, files: Mapping[str, Placed]) -> dict[str, ShardSet]:
    def read(path: str) -> bytes | None:
        try:
            return side.read(files[path].entry, MAX_STATE_BYTES + 1)
        except ABSENT:
            return None

    return shard_sets(
        (p for p, placed in files.items() if placed.entry.mode is not Mode.SYMLINK), read
    )


def _moved(sides: Sides) -> set[RecipeId]:
    """Contents that went at one path and came at another: renamed files, whose tables have not changed."""
    gone = {a.entry.recipe for a, b in sides.changes.values() if a is not None and b is None}
    return gone & {b.entry.recipe for a, b in sides.changes.values() if a is None and b is not None}


# ---------------------------------------------------------------- reading


def _read(
    side: Side,
    files: tuple[Placed, ...] | None,
    shards: ShardSet | None,
    *,
    read: bool,
    monitor: Monitor | None,
) -> Table | None:
    """With `monitor`, which hears of every block, columns are summarised."""
    if files is None:
        return None
    if any(placed.entry.mode is Mode.SYMLINK for placed in files):
        return Table(problem="a symbolic link")
    problem = None if shards is None else problem_of(shards)
    if problem is not None or not read:
        return Table(problem=problem or NOT_COUNTED)
    summaries = monitor is not None
    try:
        with closing(_opened(side, files, monitor)) as opened:
            if shards is not None:
                return read_shards(opened, summaries=summaries)
            return read_table(*next(opened), summaries=summaries)
    except ABSENT:
        return Table(problem=NOT_HERE)


def _opened(
    side: Side, files: tuple[Placed, ...], monitor: Monitor | None
) -> Generator[tuple[str, BinaryIO]]:
    """One file after the other, each closed before the next is opened."""
    for placed in files:
        with side.open(placed.entry) as file:
            told = file if monitor is None else cast(BinaryIO, _Told(file, monitor))
            yield placed.entry.path, told


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
