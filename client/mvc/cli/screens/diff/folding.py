"""Long lists of names in few lines: layers of a stack, files of a directory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"(?<![^. ])(?:[0-9]{1,9}|\[[0-9,-]+\])(?![^. ])")
_MAX_LEVELS = 3
"""Numbers in a name: of the block, the expert, the part of a Sequential."""

_ANY = "\0"
"""Stands for a number in a pattern; names that are shown have no control characters."""

_FEW_FILES = 3
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


class LayerRow(NamedTuple):
    """`members` are the names as they were, of what is one row now."""

    kind: str
    name: str
    note: str
    members: tuple[str, ...]


def layers(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """(kind, name, note): rows that differ in one number of their names only become one, in first place:
    `layers.0.w` and `layers.1.w` are `layers.[0-1].w`. A renamed layer's two names count as one text."""
    return [(row.kind, row.name, row.note) for row in with_members(rows)]


def with_members(rows: Iterable[tuple[str, str, str]], *, fold: bool = True) -> list[LayerRow]:
    """The same with what each row stands for; nothing becomes one without `fold`."""
    found = [LayerRow(kind, name, note, (name,)) for kind, name, note in rows]
    for depth in range(_MAX_LEVELS if fold else 0):
        found = _folded(found, depth)
    return found


def _folded(rows: list[LayerRow], depth: int) -> list[LayerRow]:
    """Over the number at `depth` in each name, from the left; what is a range already is one of them."""
    groups: dict[tuple[str, str, str], list[tuple[LayerRow, list[int]]]] = {}
    for row in rows:
        numbers = _numbers(row.name, depth)
        pattern = _replaced(row.name, depth, [_ANY] * len(numbers))
        groups.setdefault((row.kind, pattern, row.note), []).append((row, numbers))
    found = []
    for (kind, _, note), members in groups.items():
        if len(members) == 1 or not members[0][1]:
            found += [row for row, _ in members]
            continue
        columns = zip(*(numbers for _, numbers in members), strict=True)
        name = _replaced(members[0][0].name, depth, [f"[{ranges(column)}]" for column in columns])
        every = tuple(member for row, _ in members for member in row.members)
        found.append(LayerRow(kind, name, note, every))
    return found


def joined(names: str, separator: str = ".") -> str:
    """ "a.x.w -> b.x.w" as "{a -> b}.x.w", as git writes renames."""
    old, arrow, new = names.partition(" -> ")
    a, b = old.split(separator), new.split(separator)
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    if not arrow or head + tail == 0:
        return names
    middle = " -> ".join(separator.join(part[head : len(part) - tail]) for part in (a, b))
    return separator.join([*a[:head], "{" + middle + "}", *a[len(a) - tail :]])


def _places(name: str, depth: int) -> list[re.Match[str]]:
    """Where the numbers at `depth` stand, one for each of the names that ` -> ` joins, if they have as many."""
    found, start = [], 0
    for part in name.split(" -> "):
        matches = list(_NUMBER.finditer(name, start, start + len(part)))
        found += matches[depth : depth + 1]
        start += len(part) + len(" -> ")
    return [match for match in found if not match[0].startswith("[")]


def _numbers(name: str, depth: int) -> list[int]:
    return [int(match[0]) for match in _places(name, depth)]


def _replaced(name: str, depth: int, values: Sequence[str]) -> str:
    for match, value in reversed(list(zip(_places(name, depth), values, strict=True))):
        name = name[: match.start()] + value + name[match.end() :]
    return name


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
        if len(members) > _FEW_FILES:
            name = f"{directory}/{pattern}" if directory else pattern
            found.append((kind, name.removesuffix("."), "", len(members)))
        else:
            found += [(*member, 1) for member in members]
    return found
