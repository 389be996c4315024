"""Text files line by line."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator

SNIFF_BYTES = 8000
"""Bytes that decide whether a file is text: git's rule (xdiff-interface.c, buffer_is_binary)."""

MAX_LINES = 10_000
"""Per side, between the first and the last line that differ. difflib's time can grow with the cube of it:
10,000 shuffled lines take 0.5 s, but 5,000 of the worst kind found (each match one line long, each line
repeated just too seldom to count as junk) take 14 s."""

MAX_COUNTED_LINES = 2_000
"""The same where lines are only counted, for every file of a difference; the worst found take 0.1 s."""

_CONTEXT_LINES = 3


def is_text(data: bytes) -> bool:
    return b"\0" not in data[:SNIFF_BYTES]


def unified_diff(old: bytes, new: bytes, old_name: str, new_name: str) -> Iterator[str]:
    """Unified diff lines without newlines at their ends; a missing last newline is marked as diff does.

    Lines end at "\\n" alone. Bytes that are not UTF-8 are shown as replacement characters. Nothing for equal
    files; one line instead of hunks where MAX_LINES is passed.
    """
    if old == new:
        return
    a, b = _lines(old), _lines(new)
    skipped, a_part, b_part = _trim(a, b)
    yield f"--- {old_name}"
    yield f"+++ {new_name}"
    if max(len(a_part), len(b_part)) > MAX_LINES:
        yield f"{len(a):,} lines became {len(b):,}: too many to show"
        return
    matcher = difflib.SequenceMatcher(None, a_part, b_part)
    for group in matcher.get_grouped_opcodes(_CONTEXT_LINES):
        first, last = group[0], group[-1]
        old_range = _range(skipped + first[1], skipped + last[2])
        new_range = _range(skipped + first[3], skipped + last[4])
        yield f"@@ -{old_range} +{new_range} @@"
        for tag, a_start, a_end, b_start, b_end in group:
            if tag == "equal":
                yield from _marked(" ", a_part[a_start:a_end])
            else:
                yield from _marked("-", a_part[a_start:a_end])
                yield from _marked("+", b_part[b_start:b_end])


def line_counts(old: bytes, new: bytes) -> tuple[int, int]:
    """Lines added and removed, as `unified_diff` shows them; past MAX_COUNTED_LINES, those that only one side
    has."""
    a, b = _lines(old), _lines(new)
    _, a_part, b_part = _trim(a, b)
    if max(len(a_part), len(b_part)) > MAX_COUNTED_LINES:
        left, right = Counter(a_part), Counter(b_part)
        return (right - left).total(), (left - right).total()
    matcher = difflib.SequenceMatcher(None, a_part, b_part)
    equal = sum(block.size for block in matcher.get_matching_blocks())
    return len(b_part) - equal, len(a_part) - equal


def _lines(data: bytes) -> list[bytes]:
    """With their newlines. Not `splitlines`, which splits at a carriage return as well."""
    return [line for line in re.split(rb"(?<=\n)", data) if line]


def _trim(a: list[bytes], b: list[bytes]) -> tuple[int, list[bytes], list[bytes]]:
    """The part that differs with its context, and how many equal lines were cut off before it."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    head, tail = max(0, head - _CONTEXT_LINES), max(0, tail - _CONTEXT_LINES)
    return head, a[head : len(a) - tail], b[head : len(b) - tail]


def _range(start: int, stop: int) -> str:
    """A hunk's lines as the format writes them: counted from 1, before the first where there are none."""
    length = stop - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"


def _marked(mark: str, lines: list[bytes]) -> Iterator[str]:
    for line in lines:
        yield mark + line.removesuffix(b"\n").decode("utf-8", "replace")
        if not line.endswith(b"\n"):
            yield "\\ No newline at end of file"
