"""The first line of an automatic version's message: which checkpoint, how good, how much of it is new.

It fits where a log shows one line: 72 cells, the width that git's guides give a subject. Facts stand in the
order in which they are asked for, each if there is room left: metrics (measures.py), then tensors, or where no
tensors are known settings and files. Deletions come last, and so lead only what is nothing but deletions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mvcd.daemon import measures, phrases
from mvcd.daemon.cells import cells, safe, shorten
from mvcd.objects.version import Component
from mvcd.repo.records.differences import Diff, FileChanges

WIDTH_CELLS = 72
"""Cells."""

_LEAD_CELLS = 32
"""Cells of the checkpoint's name: the longer half of the line is for what is new about it."""

Told = frozenset[tuple[Component, str]]
"""Parts (phrases.py) of which a text leaves nothing out."""


@dataclass(frozen=True, slots=True)
class _Fact:
    text: str
    tells: Told = frozenset()


@dataclass(frozen=True, slots=True)
class _Lead:
    """The set that a version is called by, of the name that sets.py gave it."""

    name: str

    @property
    def directory(self) -> str | None:
        """Its path from the root with a "/" at its end, "" for the root; None if the set is a file."""
        if self.name == "./":
            return ""
        return self.name.removesuffix("*") if self.name.endswith(("/", "*")) else None

    def has(self, path: str) -> bool:
        if self.name.endswith("*"):
            return path.rpartition("/")[0] == self.name[:-1].rstrip("/")
        return path == self.name if self.directory is None else path.startswith(self.directory)

    @property
    def called(self) -> str:
        """The last part of its path; two parts if that is a number alone, which calls nothing: "runs/1"."""
        *_, above, last = "", *(self.directory or self.name).rstrip("/").split("/")
        if self.directory == "":
            return ""
        return f"{above}/{last}" if above and last.isdigit() else last


def headline(diff: Diff, names: Sequence[str]) -> tuple[str, Told]:
    """The line, never empty, and the parts of components that it tells whole."""
    lead = _lead(diff, names)
    prefix = f"{shorten(safe(lead.called), _LEAD_CELLS)}: " if lead and lead.called else ""
    room = WIDTH_CELLS - cells(prefix)
    weights = _tensors(diff, lead)
    taken = _metrics(diff, lead, room, cells(f", {weights.text}") if weights else 0)
    if weights:
        facts = iter([weights])
    else:
        if lead and lead.directory is None and not taken:
            prefix, room = "", WIDTH_CELLS  # "b.bin: b.bin added" says it twice
        facts = _settings_and_files(diff, lead if prefix else None, room, told_metrics=bool(taken))
    for fact in facts:
        left = room - cells(", ".join([*(f.text for f in taken), ""]))
        if cells(fact.text) <= left:
            taken.append(fact)
        elif not taken:
            taken.append(_Fact(shorten(fact.text, room)))
    line = prefix + ", ".join(fact.text for fact in taken)
    return line if taken else "no change", frozenset().union(*(fact.tells for fact in taken))


# -------------------------------------------------------------------- the lead


def _lead(diff: Diff, names: Sequence[str]) -> _Lead | None:
    """The set whose weights are new; of several the newest: directories before single files (`last.pt` lies
    beside them), then the highest number in the name, then the most tensors and files.

    Of equals none, and none if the weights are only gone while something else changed.
    """
    files = diff.components.get(Component.WEIGHTS, FileChanges())
    fresh = [path for kind, paths in phrases.kinds(files) for path in paths if kind != "deleted"]
    if not fresh and not any(_fresh(changes) for changes in diff.components.values()):
        fresh = list(files.deleted)
    ranked = sorted(
        ((_rank(diff, lead, paths), lead) for lead in map(_Lead, dict.fromkeys(names))
         if (paths := [path for path in fresh if lead.has(path)])),
        key=lambda row: row[0], reverse=True,
    )  # fmt: skip
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _fresh(files: FileChanges) -> bool:
    return bool(files.added or files.modified or files.renamed or files.moved or not files.listed)


def _rank(diff: Diff, lead: _Lead, paths: Collection[str]) -> tuple[bool, int, int, int]:
    numbers = re.findall(r"[0-9]{1,18}", lead.called)
    count = phrases.came(diff, paths) + sum(
        len(diff.tensors[p].changed) for p in paths if p in diff.tensors
    )
    return lead.directory is not None, int(numbers[-1]) if numbers else -1, count, len(paths)


# -------------------------------------------------------------------- metrics and tensors


def _metrics(diff: Diff, lead: _Lead | None, room: int, reserved: int) -> list[_Fact]:
    """As many as leave room for what comes after them, three at most, and one in any case.

    A key that carries its file's path loses it where that is the lead's.
    """
    found: list[_Fact] = []
    exact = True
    left = room - reserved
    for measure in measures.ranked(diff.metrics, partial(_name_of, lead)):
        text = measure.words(left)
        if not found:  # rather this alone than none
            text = text or measure.words(room) or measure.value_alone(room)
        if text is None or len(found) == phrases.NAMED_VALUES:
            break
        found.append(_Fact(text))
        exact = exact and measure.tells(text)
        left -= cells(text) + 2
    if found and exact and len(found) == len(diff.metrics):
        whole = phrases.parts(diff, Component.RESULTS)
        found[-1] = _Fact(found[-1].text, frozenset((Component.RESULTS, part) for part in whole))
    return found


def _name_of(lead: _Lead | None, key: str) -> str:
    path, colon, name = key.rpartition(":")
    return name if colon and lead and lead.directory and lead.has(path) else key


def _tensors(diff: Diff, lead: _Lead | None) -> _Fact | None:
    """How many there are if the lead's weight files are new, but for copies of others (of a rotated checkpoint,
    what did not change has moved); else how many of them changed.

    Nothing if none did, or where it is not known of every file.
    """
    has: Callable[[str], bool] = lead.has if lead else (lambda _: True)
    if Component.WEIGHTS not in diff.components or any(map(has, diff.absent)):
        return None
    files = diff.components[Component.WEIGHTS]
    added = [path for path in files.added if has(path)]
    count = phrases.came(diff, added)
    moved = any(has(new) for _, new in files.renamed) and not count
    if any(map(has, files.modified)) or moved:
        text = phrases.changed_tensors(diff, has)
        none = text[:2] in ("", "0 ")
        return None if none else _Fact(text, frozenset([(Component.WEIGHTS, text)]))
    if not count:
        return None
    # Of "m.safetensors: 148 tensors" the body's "m.safetensors added (148 tensors)" would be a repetition.
    alone = lead is not None and [lead.name] == added and lead.name == lead.called
    whole = phrases.parts(diff, Component.WEIGHTS) if alone else ()
    return _Fact(phrases.tensors(count), frozenset((Component.WEIGHTS, part) for part in whole[:1]))


# -------------------------------------------------------------------- settings and files


def _settings_and_files(
    diff: Diff, lead: _Lead | None, room: int, *, told_metrics: bool
) -> Iterator[_Fact]:
    """Under a directory's name only its own files are told, for a reader takes them for its own."""
    valued: set[Component] = {c for c in diff.components if _has_changed_values(diff, c)}
    if told_metrics:
        valued.add(Component.RESULTS)
    within = lead is not None and lead.directory is not None
    told = set() if within else valued - {Component.RESULTS} if told_metrics else valued
    late = {c for c in told if all(v.new is None for v in phrases.values_of(diff, c).values())}
    yield from (_values(diff, c, room) for c in diff.components if c in told - late)
    others = {c: files for c, files in diff.components.items() if c not in valued}
    facts = [_files(kind, others, lead, room) for kind, _ in phrases.kinds(FileChanges())]
    yield from (fact for fact in facts[:-1] if fact)
    yield from (
        _Fact(f"{c.value} {phrases.CHANGED}", frozenset([(c, phrases.CHANGED)]))
        for c, files in others.items() if not files.listed and not within
    )  # fmt: skip
    yield from (_values(diff, c, room) for c in diff.components if c in late)
    if facts[-1]:
        yield facts[-1]


def _has_changed_values(diff: Diff, component: Component) -> bool:
    """Not so where a file only came: that it did is the news, and its values go into the body."""
    changes = phrases.values_of(diff, component)
    files = diff.components.get(component, FileChanges())
    if not changes or (files.deleted and not _fresh(files)):
        return False
    return not files.added or any(c.old is not None for c in changes.values())


def _values(diff: Diff, component: Component, room: int) -> _Fact:
    """ "params.yaml: lr 0.1 -> 0.05", or "settings: ..." when several files have them. The last resort is less
    than all three values."""
    files = diff.components[component]
    paths = [path for _, some in phrases.kinds(files) for path in some]
    name = safe(paths[0]) if len(paths) == 1 else phrases.title(diff, component)
    whole = phrases.parts(diff, component)
    for named in range(phrases.NAMED_VALUES, 0, -1):
        text = f"{name}: {phrases.values(phrases.values_of(diff, component), named)}"
        if cells(text) <= room:
            tells = frozenset((component, part) for part in whole if text == f"{name}: {part}")
            return _Fact(text, tells)
    return _Fact(text)


def _files(
    kind: str, components: Mapping[Component, FileChanges], lead: _Lead | None, room: int
) -> _Fact | None:
    """One or two by name, more as a number, over all these components; of a lead that is a file all others."""
    within = lead.directory if lead else None
    every = {c: dict(phrases.kinds(files))[kind] for c, files in components.items()}
    mine = {
        c: [p for p in of_it if not lead or lead.has(p) == (within is not None)]
        for c, of_it in every.items()
    }
    paths = [path for some in mine.values() for path in some]
    if not paths:
        return None
    shown = [safe(path.removeprefix(within or "")) for path in paths]
    text = f"{' and '.join(shown)} {kind}"
    whole = [c for c, some in mine.items() if some and len(some) == len(every[c])]
    tells = frozenset((c, phrases.some(kind, every[c])) for c in whole)
    if len(paths) <= 2 and cells(text) <= room:
        return _Fact(text, frozenset() if within else tells)
    if len(paths) == 1:
        return _Fact(f"{shorten(shown[0], room - len(kind) - 1)} {kind}")
    return _Fact(
        phrases.some(kind, paths),
        tells if len(whole) == sum(map(bool, mine.values())) == 1 else frozenset(),
    )
