"""Text of strangers on one line of a terminal: made harmless, measured in cells, shortened in the middle.

File names, keys and values come from training programs and may hold anything. A message is read on terminals,
in hooks and on web pages, none of which should have to know that.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

_HARMFUL = frozenset(("Cc", "Cf", "Cn", "Cs", "Zl", "Zp"))
"""Controls, format characters (those that turn the direction of writing, those without width), what is no
character, lone surrogates, separators of lines."""

_JOINERS = "\u200c\u200d"
"""Format characters that Persian, Indic scripts and emoji are not legible without. They turn nothing round."""


def safe(text: str) -> str:
    """`text` with harmful characters written out, as in `a\\x0ab`: two names that differ still do."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if _harmful(c) else c for c in text)


def cells(text: str) -> int:
    """The most cells that `text`, a safe one, takes on a terminal.

    Wide and fullwidth characters (Unicode's annex 11) take two, others one. Combining characters are counted
    too: most terminals give them none, some do, and a bound in cells is one in characters then.
    """
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def shorten(text: str, room: int) -> str:
    """`text` itself if it fits into `room` cells (at least 1), else its beginning and its end around "…".

    The middle goes, for names of checkpoints differ at their ends, and directories at their beginnings.
    """
    if cells(text) <= room:
        return text
    tail = _fitting(text[::-1], (room - 1) // 2)[::-1]
    while tail and unicodedata.combining(tail[0]):
        tail = tail[1:]  # it belongs to a character that is left out
    return _fitting(text, room - 1 - cells(tail)) + ELLIPSIS + tail


def _fitting(text: str, room: int) -> str:
    """As much of the beginning as fits."""
    for index, character in enumerate(text):
        room -= _cells(character)
        if room < 0:
            return text[:index]
    return text


def _cells(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL and character not in _JOINERS


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
