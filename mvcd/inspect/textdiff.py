"""Text files line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

_SNIFF = 8000
"""Bytes that decide whether a file is text: git's rule (xdiff-interface.c, buffer_is_binary)."""

MAX_LINES = 50_000
"""Per side. difflib's time grows with the square of the lines that differ; beyond this a count must do."""


def is_text(data: bytes) -> bool:
    return b"\0" not in data[:_SNIFF]


def unified_diff(old: bytes, new: bytes, old_name: str, new_name: str) -> Iterator[str]:
    """Unified diff lines without newlines at their ends; a missing last newline is marked as diff does.

    Bytes that are not UTF-8 are shown as replacement characters.
    """
    a, b = _lines(old), _lines(new)
    if max(len(a), len(b)) > MAX_LINES:
        yield f"--- {old_name}"
        yield f"+++ {new_name}"
        yield f"{len(a)} lines became {len(b)}: too many to show"
        return
    for line in difflib.unified_diff(a, b, old_name, new_name, lineterm=""):
        text, newline, _ = line.partition("\n")
        yield text
        if not newline and text[:1] in ("+", "-", " ") and not text.startswith(("+++", "---")):
            yield "\\ No newline at end of file"


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines(keepends=True)
