"""Sizes, times, names and tables as people read them.

What comes from files and versions of others is shown through `safe`: control characters in a name or message
would otherwise reach the terminal as commands.
"""

from __future__ import annotations

import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import click

from mvc.api import amounts, cells

size = amounts.size

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LITTLE_SECONDS = 45
SHORT_ID_CHARACTERS = 10
"""Hex digits of an id on a screen: 40 bits, unique by far in any one repository."""


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def when(time: datetime, now: datetime) -> str:
    """ "just now", "5 min ago", "3 h ago", "yesterday 14:05", then the date; in the reader's zone, as clocks
    there went at that time. A time that is to come, as of a clock that is ahead, is said whole."""
    age = (now - time).total_seconds()
    if -_LITTLE_SECONDS < age < _LITTLE_SECONDS:
        return "just now"
    if 0 < age < _HOUR:
        return f"{min(max(1, round(age / _MINUTE)), 59)} min ago"
    local, today = _on_the_clock_of(now, time), now.date()
    if 0 < age < _DAY and local.date() == today:
        return f"{int(age / _HOUR + 0.5)} h ago"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def _on_the_clock_of(now: datetime, time: datetime) -> datetime:
    """`now` knows what the offset is today, not when the clock changed: that, this machine knows."""
    here = now.astimezone().utcoffset() == now.utcoffset()
    return time.astimezone(None if here else now.tzinfo)


def moment(time: datetime) -> str:
    """In the zone it was recorded in, as git shows it."""
    return f"{time:%a %Y-%m-%d %H:%M:%S %z}"


def number(value: object) -> str:
    """A setting or metric: floats with up to six significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    return safe(str(value))


def signed(value: float) -> str:
    return f"{value:+.6g}"


def safe(text: str, *, lines: bool = False) -> str:
    """With control, format-override and undecodable characters written out; `lines` keeps newlines."""
    if text.isascii() and text.isprintable():
        return text
    keep = "\n\t" if lines else ""
    return "".join(c if c in keep or not _harmful(c) else _escaped(c) for c in text)


def _harmful(character: str) -> bool:
    # Cc: controls; Cs: bytes that are no UTF-8; bidirectional overrides can make a name read as another.
    kind = unicodedata.category(character)
    return (
        kind in ("Cc", "Cs", "Zl", "Zp")
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def first_line(message: str) -> str:
    return safe(message.strip().split("\n", 1)[0].rstrip()) or "(no message)"


def cut(line: str, columns: int) -> str:
    """With an ellipsis where it is wider than `columns`. It has no styles."""
    return line if width(line) <= columns else cells.beginning(line, columns - 1) + "…"


def middle(line: str, columns: int) -> str:
    """With an ellipsis in its middle where it is wider: beginning and end of a path or key say most."""
    if width(line) <= columns:
        return line
    head = cells.beginning(line, (columns - 1) // 3)
    return f"{head}…{cells.ending(line, columns - 1 - width(head))}"


def room() -> int | None:
    """Columns of the terminal; None where there is none, as in a pipe, unless COLUMNS says."""
    # As shutil.get_terminal_size does it, which loads every compressor there is.
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or None  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return None


def short(id: str) -> str:
    return id[:SHORT_ID_CHARACTERS]


def width(text: str) -> int:
    """Columns on a terminal: styles take none, wide characters and emoji two, what is joined to them none."""
    return cells.columns(click.unstyle(text) if "\x1b" in text else text)


def table(
    rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), gap: str = "  "
) -> list[str]:
    """Rows with their columns aligned; columns whose index is in `right` end flush. The last is not padded."""
    rows = [list(row) for row in rows]
    if not rows:
        return []
    columns = max(len(row) for row in rows)
    taken = [list(map(width, row)) for row in rows]
    widths = [max(row[i] if i < len(row) else 0 for row in taken) for i in range(columns)]
    found = []
    for row, sizes in zip(rows, taken, strict=True):
        cells = []
        for index, cell in enumerate(row):
            padding = " " * (widths[index] - sizes[index])
            last = index == len(row) - 1
            cells.append(padding + cell if index in right else cell if last else cell + padding)
        found.append(gap.join(cells).rstrip())
    return found
