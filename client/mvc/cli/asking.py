"""Choosing at a terminal, with the letters of git's `-p`: one question an item, answered by a line.

    y  this one            a  this one and all that follow
    n  not this one        d  not this one, and none that follow
    q  as d                ?  what the letters mean
    s  file by file        p  print what changed in it

Questions are asked on stderr. Where the answers end, or with ^D, the answer is q; ^C ends the command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.repo import Repo

_HELP = {
    "y": "yes, this one",
    "n": "no, not this one",
    "s": "split it: ask file by file",
    "p": "print what changed in it",
    "q": "quit: neither this one nor any that follows",
    "a": "all: this one and every one that follows",
    "d": "done: neither this one nor any that follows of these",
    "?": "print this help",
}
_COLORS = {"modified": "yellow", "added": "green", "deleted": "red", "renamed": "cyan"}


@dataclass(frozen=True, slots=True)
class Choosable:
    """A thing to say yes or no to: its paths, how it is named, and what it can be split into."""

    paths: tuple[str, ...]
    name: str
    parts: tuple[Choosable, ...] = ()


class _Quit(Exception):
    """Nothing more is chosen."""


def require_terminal(option: str, instead: str) -> None:
    """Raises UsageError where nobody can be asked. `instead` is a command that does not ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        error = click.UsageError(
            f"{option} asks, and this is no terminal", click.get_current_context()
        )
        error.habit = instead  # type: ignore[attr-defined]
        raise error


def choose(
    items: Sequence[Choosable], question: str, show: Callable[[Choosable], None]
) -> list[str]:
    """Asks about each item, and returns the paths of those that were chosen, in order."""
    found: list[str] = []
    with contextlib.suppress(_Quit):
        _ask_all(items, question, show, found)
    return found


def _ask_all(
    items: Sequence[Choosable], question: str, show: Callable[[Choosable], None], found: list[str]
) -> None:
    for index, item in enumerate(items):
        answer = _ask(item, f"({index + 1}/{len(items)}) {item.name}", question, show)
        if answer == "q":
            raise _Quit
        if answer == "s":
            _ask_all(item.parts, question, show, found)
        elif answer == "a":
            found += [path for one in items[index:] for path in one.paths]
        elif answer == "y":
            found += item.paths
        if answer in ("a", "d"):
            return


def _ask(item: Choosable, name: str, question: str, show: Callable[[Choosable], None]) -> str:
    """Returns y, n, q, a, d or s."""
    letters = [c for c in "ynqadsp?" if c != "s" or item.parts]
    while True:
        click.echo(name, err=True)
        prompt = f"{question} [{','.join(letters)}]? "
        click.echo(click.style(prompt, fg="blue", bold=True), nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            click.echo(err=True)
            return "q"
        answer = line.strip().lower()[:1]
        if answer == "p":
            show(item)
        elif answer in letters and answer != "?":
            return answer
        else:
            for letter in letters:
                click.echo(f"{letter} - {_HELP[letter]}", err=True)


# -------------------------------------------------------------------- what can be chosen


def changed_items(changes: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Choosable]:
    """Makes items of (kind, component, paths): what lies in the directory of one checkpoint, and changed
    alike, is one that can be split."""
    from mvc.api.checkpoints import directory_of  # late: start-up

    groups: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = {}
    for kind, component, paths in changes:
        key = kind, directory_of(paths[0]) or paths[0]
        groups.setdefault(key, []).append((component, paths))
    return [_item(kind, directory, members) for (kind, directory), members in groups.items()]


def _item(kind: str, directory: str, members: Sequence[tuple[str, tuple[str, ...]]]) -> Choosable:
    parts = tuple(
        Choosable(paths, _row(kind, component, " -> ".join(paths))) for component, paths in members
    )
    if len(parts) == 1:
        return parts[0]
    components = {component for component, _ in members}
    what = components.pop() if len(components) == 1 else "checkpoint"
    name = _row(kind, what, f"{directory}/  {text.plural(len(parts), 'file')}")
    return Choosable(tuple(path for _, paths in members for path in paths), name, parts)


def _row(kind: str, component: str, said: str) -> str:
    return f"{click.style(f'{kind:<9}', fg=_COLORS[kind])} {component:<15} {text.safe(said)}"


def component_items(changes: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Choosable]:
    """Makes one item a component, which can be split into its files."""
    components: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
    for change in changes:
        components.setdefault(change[1], []).append(change)
    found = []
    for component, members in components.items():
        parts = changed_items(members)
        if len(parts) == 1:
            found += parts
            continue
        kinds = ", ".join(_counts(kind for kind, _, _ in members))
        paths = tuple(path for _, _, some in members for path in some)
        found.append(
            Choosable(paths, f"{click.style(component, bold=True)}: {kinds}", tuple(parts))
        )
    return found


def _counts(kinds: Iterable[str]) -> Iterator[str]:
    every = list(kinds)
    for index, kind in enumerate(dict.fromkeys(every)):
        count = every.count(kind)
        yield f"{text.plural(count, 'file')} {kind}" if not index else f"{count:,} {kind}"


def shower(repo: Repo, rev: str, *, color: bool) -> Callable[[Choosable], None]:
    """Prints how the files of an item differ between a version and the workspace."""
    from mvc.cli.screens.patch import styled  # late: start-up

    def show(item: Choosable) -> None:
        paths = [os.path.join(repo.root, path) for path in item.paths]
        lines = list(styled(repo.patch(repo.diff(rev, paths=paths))))
        for line in lines or ["(it has no lines of text: mvc diff tells more)"]:
            click.echo(line, err=True, color=color)

    return show
