"""Columns that text takes on a terminal or in a grid, and where its characters begin.

Widths are of Unicode's annex 11, and of its technical standard 51 for emoji: a selector asks for the wide form,
joiners and tones of skin make one picture of several characters.
"""

from __future__ import annotations

import unicodedata

_JOINER, _WIDE_FORM = "\u200d", "\ufe0f"
_NO_ROOM = frozenset(("Mn", "Me", "Cf"))


def columns(text: str) -> int:
    """Wide characters and emoji take two, and what is joined to the one before it none."""
    if text.isascii():
        return len(text)
    found, start = 0, 0
    while start < len(text):
        end = next_start(text, start)
        wide = _WIDE_FORM in text[start:end] or unicodedata.east_asian_width(text[start]) in "WF"
        found += 2 if wide else 0 if _is_joined(text[start]) else 1
        start = end
    return found


def next_start(text: str, start: int) -> int:
    """Finds where the character after the one at `start` begins, as people count them."""
    end = start + 1
    while end < len(text) and (_is_joined(text[end]) or text[end - 1] == _JOINER):
        end += 1
    return end


def beginning(text: str, room: int) -> str:
    """Returns as much as fits into `room` columns; an accent stays with its letter."""
    if text.isascii():
        return text[:room]
    end, taken = 0, 0
    while end < len(text):
        after = next_start(text, end)
        taken += columns(text[end:after])
        if taken > room:
            break
        end = after
    return text[:end]


def ending(text: str, room: int) -> str:
    """Returns as much of the end as fits into `room` columns."""
    if text.isascii():
        return text[len(text) - room :]
    start = 0
    while start < len(text) and columns(text[start:]) > room:
        start = next_start(text, start)
    return text[start:]


def _is_joined(character: str) -> bool:
    """Whether it takes no room of its own: accents, selectors, joiners, tones of skin."""
    return not character.isascii() and (
        unicodedata.category(character) in _NO_ROOM or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
