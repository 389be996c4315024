"""Results as notebooks and terminals show them: one short line, a small table in HTML, a frame of pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from mvcd.errors import Failure
from mvcd.lateclasses import NamedTuple

MAX_SHOWN_ROWS = 40
"""Rows of a table in HTML; a frame of pandas has all."""
_SHOWN_CHARACTERS = 120
"""Characters of a cell."""


class Grid(NamedTuple):
    """Rows under columns of different names; `title` is what it is of, in a few words."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


class Shown:
    """Shows itself by `_grid` and, in one line, by `_brief`."""

    __slots__ = ()

    def _brief(self) -> str:
        raise NotImplementedError

    def _grid(self) -> Grid:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<mvc.{type(self).__name__} {self._brief()}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of at most 40 rows. Nothing in it can be markup."""
        return html_table(self._grid())

    def to_pandas(self) -> Any:
        """Makes a pandas.DataFrame. Raises Failure: kind "no-pandas" where pandas is not installed."""
        grid = self._grid()
        return _pandas().DataFrame(list(map(tuple, grid.rows)), columns=list(grid.columns))


def _pandas() -> Any:
    try:
        import pandas  # late: an extra
    except ImportError as error:
        raise Failure(
            "to_pandas needs pandas", kind="no-pandas", cause=str(error),
            help="pip install 'mvcd[pandas]'",
        ) from None  # fmt: skip
    return pandas


def labels(
    keys: Iterable[tuple[str, str]], taken: Iterable[str] = ()
) -> dict[tuple[str, str], str]:
    """Names columns of (kind, key): the key where it is the only one and not `taken`, else with its kind."""
    every = list(dict.fromkeys(keys))
    times = Counter([*(key for _, key in every), *taken])
    return {(kind, key): key if times[key] == 1 else f"{key} ({kind})" for kind, key in every}


def first_line(text: str, most: int = 50) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= most else line[: most - 1] + "…"


# -------------------------------------------------------------------- HTML


def html_table(grid: Grid) -> str:
    """Makes a table of the first rows, and says how many more there are."""
    from mvc.api.page import html_text  # late: start-up

    shown = list(grid.rows[:MAX_SHOWN_ROWS])
    head = "".join(f"<th>{html_text(name)}</th>" for name in grid.columns)
    body = "".join(
        f"<tr>{''.join(_cell(cell, html_text(as_text(cell))) for cell in row)}</tr>"
        for row in shown
    )
    more = len(grid.rows) - len(shown)
    foot = f"<p>and {more:,} more</p>" if more > 0 else ""
    return (
        f"<div><p><strong>{html_text(grid.title)}</strong></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}</div>"
    )


def _cell(cell: object, text: str) -> str:
    figure = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    style = ' style="text-align:right"' if figure else ""
    return f"<td{style}>{text}</td>"


def as_text(value: object) -> str:
    """A cell in words: figures with six digits, times to the minute."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
