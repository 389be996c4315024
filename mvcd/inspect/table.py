"""What is known of a table in a file, whichever format it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from mvcd.inspect.columns import Column, ColumnSummary
from mvcd.lateclasses import dataclass

MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 200
"""Characters kept of a column's name."""


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` without the header, None if unknown; `problem` tells why. Columns in the file's order; a type is
    "" where it is not known without a summary. `summaries` by column, where they were asked for."""

    rows: int | None = None
    columns: tuple[Column, ...] = ()
    summaries: Mapping[str, ColumnSummary] = field(default_factory=dict)
    problem: str | None = None


class NoTable(Exception):
    """Why a file is no table that is read here. Never leaves `mvcd.inspect`."""


def distinct_names(header: Iterable[str]) -> list[str]:
    """Distinct: a second `x` is `x.2`, a column without a name is called by its position."""
    found: dict[str, None] = {}
    for position, cell in enumerate(header):
        name = cell.strip()[:MAX_NAME_CHARACTERS] or str(position)
        free, copy = name, 2
        while free in found:
            free, copy = f"{name}.{copy}", copy + 1
        found[free] = None
    return list(found)
