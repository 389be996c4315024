"""What made a version, for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.lineage import Kin, Lineage
    from mvc.pictures.family import Box

_MAX_CHILDREN = 10


def lines(found: Lineage) -> Iterator[str]:
    names = f" ({', '.join(map(text.safe, found.names))})" if found.names else ""
    yield click.style(f"v{found.number} {text.short(found.version)}", fg="yellow") + names
    yield f"  {text.safe(found.message.splitlines()[0] if found.message else '')}"
    yield ""
    yield "made of"
    yield from text.table([*_parts(found), *(_ancestor(p) for p in found.parents)])
    yield ""
    yield "made by"
    yield from text.table(list(_making(found)))
    if found.children:
        yield ""
        yield "made from it"
        yield from text.table([_row(k) for k in found.children[:_MAX_CHILDREN]])
        if len(found.children) > _MAX_CHILDREN:
            yield f"  and {len(found.children) - _MAX_CHILDREN} more versions"


def _parts(found: Lineage) -> Iterator[tuple[str, ...]]:
    for origin in found.origins:
        fresh = origin.since == found.version
        since = "new here" if fresh else f"as of v{origin.since_number}"
        size = f"{text.plural(origin.files, 'file')}, {text.size(origin.size)}"
        yield (f"  {origin.component.value}", text.short(origin.root), size, since)


def _ancestor(kin: Kin) -> tuple[str, ...]:
    return ("  parent", text.short(kin.version), f"v{kin.number}", _told(kin))


def _making(found: Lineage) -> Iterator[tuple[str, str]]:
    if found.command:
        yield ("  command", text.safe(shlex.join(found.command)))
    if found.seconds is not None:
        seed = "" if found.seed is None else f", seed {found.seed}"
        yield ("  run", f"{found.seconds:.1f} s{seed}; mvc reproduce v{found.number}")
    yield ("  author", text.safe(found.author))
    if found.git_commit:
        yield ("  git", found.git_commit[:12] + (", with changes" if found.git_dirty else ""))
    if found.host or found.python:
        yield ("  host", text.safe(f"{found.host}, Python {found.python}"))


def _row(kin: Kin) -> tuple[str, ...]:
    return (f"  v{kin.number}", text.short(kin.version), _told(kin))


def _told(kin: Kin) -> str:
    line = kin.message.splitlines()[0] if kin.message else ""
    return text.safe(line + (f" ({', '.join(kin.names)})" if kin.names else ""))


def boxes(found: Lineage) -> tuple[list[Box], Box, list[Box]]:
    """The same for a picture: what it was made of, the version, what came of it."""
    from mvc.pictures.family import Box  # late: start-up

    made_of = [
        Box(
            f"{o.component.value} {text.short(o.root)}",
            f"{text.plural(o.files, 'file')}, since v{o.since_number}",
        )
        for o in found.origins
        if o.component.value not in ("weights", "results")
    ]
    made_of += [
        Box(f"parent v{p.number} {text.short(p.version)}", p.message) for p in found.parents
    ]
    detail = shlex.join(found.command) if found.command else found.author
    made = [
        Box(
            f"{o.component.value} {text.short(o.root)}",
            f"{text.plural(o.files, 'file')}, {text.size(o.size)}",
        )
        for o in found.origins
        if o.component.value in ("weights", "results")
    ]
    made += [
        Box(f"v{k.number} {text.short(k.version)}", k.message)
        for k in found.children[:_MAX_CHILDREN]
    ]
    made += [Box("name", n) for n in found.names]
    return made_of, Box(f"v{found.number} {text.short(found.version)}", detail), made
