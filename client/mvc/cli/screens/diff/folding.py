"""Long lists of names in few lines: layers of a stack, files of a directory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"(?<![^.])[0-9]{1,9}(?![^.])")
_ANY = "\0"
"""Stands for a number in a pattern; names that are shown have no control characters."""

_FEW = 3
"""Files of one directory and suffix that are still shown one by one."""


def ranges(numbers: Iterable[int]) -> str:
    """ "0-3,7"."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def layers(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """(kind, name, note): rows that differ in the first number of their names only become one, in first place:
    `layers.0.w` and `layers.1.w` are `layers.[0-1].w`. A renamed layer's two names count as one text."""
    groups: dict[tuple[str, str, str], list[tuple[str, list[int]]]] = {}
    for kind, name, note in rows:
        numbers = [int(n) for n in _first_numbers(name)]
        pattern = _replaced(name, [_ANY] * len(numbers))
        groups.setdefault((kind, pattern, note), []).append((name, numbers))
    found = []
    for (kind, _, note), members in groups.items():
        name = members[0][0]
        if len(members) > 1:
            columns = zip(*(numbers for _, numbers in members), strict=True)
            name = _replaced(name, [f"[{ranges(column)}]" for column in columns])
        found.append((kind, name, note))
    return found


def joined(names: str) -> str:
    """ "a.x.w -> b.x.w" as "{a -> b}.x.w", as git writes renames."""
    old, arrow, new = names.partition(" -> ")
    a, b = old.split("."), new.split(".")
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    if not arrow or head + tail == 0:
        return names
    middle = " -> ".join(".".join(part[head : len(part) - tail]) for part in (a, b))
    return ".".join([*a[:head], "{" + middle + "}", *a[len(a) - tail :]])


def _first_numbers(name: str) -> list[str]:
    """One for each of the names that ` -> ` joins, where they have any."""
    found = [_NUMBER.search(part) for part in name.split(" -> ")]
    return [match[0] for match in found if match]


def _replaced(name: str, values: Sequence[str]) -> str:
    rest = list(values)
    parts = []
    for part in name.split(" -> "):
        has = _NUMBER.search(part) is not None
        parts.append(_NUMBER.sub(lambda _: rest.pop(0), part, count=1) if has else part)
    return " -> ".join(parts)


def files(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str, int]]:
    """(kind, label, path, count): files of one kind, directory and suffix are one row, called `dir/*.png`, when
    there are more than a few. Modified files stay apart, for each has something to say."""
    groups: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for kind, label, path in rows:
        directory, _, name = path.rpartition("/")
        suffix = name.rpartition(".")[2] if "." in name else ""
        apart = path if kind not in ("added", "deleted") else ""
        groups.setdefault((kind, directory, apart or f"*.{suffix}"), []).append((kind, label, path))
    found: list[tuple[str, str, str, int]] = []
    for (kind, directory, pattern), members in groups.items():
        if len(members) > _FEW:
            name = f"{directory}/{pattern}" if directory else pattern
            found.append((kind, name.removesuffix("."), "", len(members)))
        else:
            found += [(*member, 1) for member in members]
    return found
