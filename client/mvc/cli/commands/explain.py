"""`mvc explain`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from mvc.api.version_paths import split_path
from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import COMPONENTS as _ORDER
from mvc.cli.options import verb

if TYPE_CHECKING:
    from mvc.api.results import Explained

_IN_FULL_FILES = 4
"""Files up to which each has lines of its own."""


@verb("explain")
@click.argument("paths", nargs=-1, metavar="[[REV:]PATH...]")
@click.pass_obj
def command(face: Face, paths: tuple[str, ...]) -> None:
    """Show which part a file is, by which rule, and how it was read.

    PATH is a file or a directory of the workspace, by default the current one; REV:PATH is one of a version.
    What is shown is what a commit makes of it now; a version that says otherwise was made by other rules. More
    than four files are one line each; -v shows everything of each.
    """
    found = [
        (rev, each) for rev, path in _asked(paths or (".",)) for each in _found(face, rev, path)
    ]
    if face.json:
        face.answer({"files": [_document(rev, each) for rev, each in found]})
    elif len(found) <= _IN_FULL_FILES or face.verbose:
        face.page(line for rev, each in found for line in _whole(rev, each))
    else:
        face.page(_rows(found))


def _asked(paths: tuple[str, ...]) -> Iterator[tuple[str | None, str]]:
    """What lies in the workspace goes before a version of that name."""
    for path in paths:
        rev, inside = split_path(path)
        here = inside is None or os.path.lexists(path)
        yield (None, path) if here else (rev, inside or ".")


def _found(face: Face, rev: str | None, path: str) -> Iterator[Explained]:
    return face.repo.explain(os.path.abspath(path), rev=rev)


def _document(rev: str | None, each: Explained) -> dict[str, object]:
    return {
        "path": each.path,
        "rev": rev,
        "component": each.component.value,
        "state": each.state,
        "rule": each.rule,
        "recorded": each.recorded.value if each.recorded else None,
        "format": each.format or None,
        "tensors": each.tensors,
        "parameters": each.parameters,
        "state_tensors": each.state_tensors,
        "values": each.values,
        "problem": each.problem,
    }


def _part(each: Explained) -> str:
    return f"{each.component.value}, training state" if each.state else each.component.value


def _read(each: Explained) -> str:
    said = [each.format] if each.format else []
    if each.tensors is not None:
        said.append(text.plural(each.tensors, "tensor"))
        if each.parameters:
            said.append(text.plural(each.parameters, "parameter"))
        if each.state_tensors and not each.state:
            said.append(f"{each.state_tensors:,} of training state")
    if each.values is not None:
        said.append(text.plural(each.values, "value"))
    return ", ".join(map(text.safe, said))


def _whole(rev: str | None, each: Explained) -> Iterator[str]:
    name = each.path if rev is None else f"{rev}:{each.path}"
    yield click.style(text.safe(name), bold=True)
    yield f"  part   {_part(each)}"
    yield f"  rule   {text.safe(each.rule)}"
    if each.recorded is not None and each.recorded is not each.component:
        yield f"  saved  as {each.recorded.value}, by the rules of that time"
    if read := _read(each):
        yield f"  read   {read}"
    if each.problem:
        yield f"  {click.style('not understood', fg='yellow')}  {text.safe(each.problem)}"


def _rows(found: list[tuple[str | None, Explained]]) -> Iterator[str]:
    """A line each, model before training state, under the part that they are."""
    ordered = sorted(found, key=lambda row: (_ORDER.index(row[1].component.value), row[1].state))
    for part, group in groupby(ordered, key=lambda row: _part(row[1])):
        yield click.style(part, bold=True)
        rows = [
            (f"  {text.safe(each.path if rev is None else f'{rev}:{each.path}')}", _note(each))
            for rev, each in group
        ]
        yield from _fitting(rows)


def _fitting(rows: list[tuple[str, str]]) -> list[str]:
    """As a table; where a note would be cut, notes stand below their paths, which are never cut."""
    columns = text.room()
    table = text.table(rows)
    if columns is None or max(map(text.width, table)) <= columns:
        return table
    lines = []
    for path, note in rows:
        beside = f"{path}  {note}"
        fits = text.width(beside) <= columns
        lines += [beside] if fits else [path, *_broken(note, columns)]
    return lines


def _broken(note: str, columns: int) -> list[str]:
    """After semicolons, and cut only where one part alone is too long."""
    lines: list[str] = []
    for part in note.split("; "):
        if lines and text.width(lines[-1]) + 2 + text.width(part) <= columns:
            lines[-1] += f"; {part}"
        else:
            lines.append(f"      {part}")
    return [line if text.width(line) <= columns else text.cut(line, columns) for line in lines]


def _note(each: Explained) -> str:
    read = _read(each)
    problem = (
        click.style(f"not understood: {text.safe(each.problem)}", fg="yellow")
        if each.problem
        else ""
    )
    return "; ".join(part for part in (read, problem, text.safe(each.rule)) if part)
