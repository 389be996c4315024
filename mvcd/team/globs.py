"""Patterns of repository and ref names.

    *    any characters but /, also none
    **   any characters, also none
    ?    one character but /

Everything else stands for itself. Matching takes time proportional to pattern times name, whatever the pattern:
all positions that could have been reached advance together (Thompson, Regular expression search algorithm,
1968), so no pattern makes a call slow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mvcd.errors import UsageError

ANY: Final = "**"
MAX_CHARACTERS = 120
_LEGAL = re.compile(r"[A-Za-z0-9._/+*?-]+")


def require_glob(pattern: str, what: str) -> str:
    """The pattern. Raises UsageError unless it may be one."""
    if len(pattern) > MAX_CHARACTERS or not _LEGAL.fullmatch(pattern):
        raise UsageError(
            f"{pattern!r} is not a pattern of {what}",
            cause=f"patterns have 1 to {MAX_CHARACTERS} letters, digits and . _ / + -, and * ** ?",
        )
    return pattern


def matches(pattern: str, name: str) -> bool:
    if pattern == ANY:
        return True  # what most grants say: walking the name took a sixth of finding out who calls
    steps = _compiled(pattern)
    reached = _closed({0}, steps)
    for character in name:
        after = set()
        for at in reached:
            if at == len(steps):
                continue
            step = steps[at]
            if step == ANY or (step == "*" and character != "/"):
                after.add(at)
            elif step == character or (step == "?" and character != "/"):
                after.add(at + 1)
        if not after:
            return False
        reached = _closed(after, steps)
    return len(steps) in reached


def _closed(reached: set[int], steps: tuple[str, ...]) -> set[int]:
    """With the positions behind stars, which may match nothing."""
    found = set(reached)
    for at in reached:
        here = at
        while here < len(steps) and steps[here] in ("*", ANY):
            here += 1
            found.add(here)
    return found


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\*\*|.", pattern, re.DOTALL))
