"""Which tensor of one side is which of the other.

By file and name first; those left over by name across files, where the name stands once on each side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from mvcd.inspect.tensorfile import may_lean_on_others
from mvcd.objects.entry import Entry
from mvcd.repo.tensortable import Row

Pair = tuple[Row | None, Row | None]


def present(pair: Pair) -> Row:
    row = pair[1] or pair[0]
    assert row is not None
    return row


def matched(old: Iterable[Row], new: Iterable[Row]) -> list[Pair]:
    """Every row of both sides in exactly one pair. In the order of the new side's files, then what is gone."""
    before = {(row.path, row.name): row for row in old}
    after = {(row.path, row.name): row for row in new}
    gone = _once(row for key, row in before.items() if key not in after)
    come = _once(row for key, row in after.items() if key not in before)
    moved = {(row.path, row.name): gone[name] for name, row in come.items() if name in gone}
    taken = {(row.path, row.name) for row in moved.values()}
    pairs: list[Pair] = [(before.get(key) or moved.get(key), row) for key, row in after.items()]
    pairs += [(row, None) for key, row in before.items() if key not in after and key not in taken]
    return pairs


def _once(rows: Iterable[Row]) -> dict[str, Row]:
    """By name, those whose name stands there once."""
    listed = list(rows)
    uses = Counter(row.name for row in listed)
    return {row.name: row for row in listed if uses[row.name] == 1}


def equal_files(
    old: Mapping[str, Entry], new: Mapping[str, Entry], changed: Collection[str]
) -> set[str]:
    """Paths of equal files, but for those whose data may lie beside them, in one of the `changed` paths."""
    return {
        path
        for path, entry in old.items()
        if path in new
        and new[path].recipe == entry.recipe
        and not (may_lean_on_others(path) and _has_changed_neighbours(path, changed))
    }


def _has_changed_neighbours(path: str, changed: Collection[str]) -> bool:
    directory = path[: path.rfind("/") + 1]
    return any(other.startswith(directory) for other in changed)
