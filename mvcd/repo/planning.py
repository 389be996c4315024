"""What a move of files writes and removes, and what stands in its way.

Planned before anything is touched: unsaved work that would go, files that no version has, files where a
directory must be and the reverse. Whether unsaved work may go is for the verb to say (moves.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mvcd.errors import Conflict, Failure
from mvcd.objects.entry import Entry
from mvcd.objects.reserved import reserved
from mvcd.repo.checkout import why_reserved
from mvcd.repo.core import Core
from mvcd.repo.files import Change, Placed
from mvcd.repo.ground import Ground
from mvcd.repo.ingest import Ingest, Source
from mvcd.repo.statcache import FileStat
from mvcd.repo.targets import DryTarget

_LISTED = 5
"""Paths an error names; more are counted."""


@dataclass(slots=True)
class Plan:
    """`expect` has the stat of the file at each path to be written or removed; None: there is none."""

    write: list[Entry] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    expect: dict[str, FileStat | None] = field(default_factory=dict)
    unsaved: list[str] = field(default_factory=list)  # would be lost
    right: list[str] = field(default_factory=list)  # unsaved, but as they should become already
    kept: list[str] = field(default_factory=list)  # unsaved work that is not in the way
    reserved: list[str] = field(
        default_factory=list
    )  # neither written nor removed (objects/reserved.py)


def plan(
    core: Core,
    wanted: Mapping[str, Change],
    dirty: Mapping[str, Change],
    *,
    everything: bool,
) -> Plan:
    """From (now, then) per path, and what is dirty against HEAD.

    With `everything`, dirty files outside `wanted` go back to HEAD's content too. Raises Conflict when
    something lies in the way that no version stands for.
    """
    made, ground = Plan(), Ground(core.root)
    targets = {path: then for path, (_, then) in wanted.items()}
    if everything:
        targets = {p: was for p, (was, _) in dirty.items() if p not in targets} | targets
    strangers: dict[str, FileStat] = {}
    for path, then in targets.items():
        if reserved(path):  # a repository that lies there is none of this version's
            made.reserved += [path] if then is not None else []
            continue
        present = dirty[path][1] if path in dirty else wanted[path][0]
        if _same_file(present, then):
            made.right.append(path)
            continue
        lies = ground.stat(path)
        if present is None and lies is not None:
            strangers[path] = lies
        if path in dirty:
            made.unsaved.append(path)
        if then is None:
            made.remove.append(path)
        else:
            made.write.append(then.entry)
        made.expect[path] = lies
    made.kept = sorted(p for p in dirty if p not in targets)
    _admit_equals(core, made, strangers)
    _refuse_obstacles(made, ground)
    return made


def _same_file(a: Placed | None, b: Placed | None) -> bool:
    return (None if a is None else a.entry) == (None if b is None else b.entry)


def _admit_equals(core: Core, made: Plan, strangers: Mapping[str, FileStat]) -> None:
    """A file that is not under care may stay if it is what would be written, else Conflict.

    So it is after `untrack`, and after a checkout that died: its files are here, HEAD is still elsewhere.
    """
    if not strangers:
        return
    wanted = {e.path: e for e in made.write if e.path in strangers}
    sources = [Source(p, s) for p, s in strangers.items() if s.size == wanted[p].size]
    with Ingest(core.root, DryTarget(), monitor=core.monitor) as ingest:
        found = {r.path: Entry(r.path, r.mode, r.size, r.recipe) for r in ingest.run(sources)}
    different = [path for path, entry in wanted.items() if found.get(path) != entry]
    if different:
        raise Conflict(
            f"{some(different)} would be overwritten",
            kind="would-overwrite",
            cause="not under care, so no version has it",
            help=f"move it away, or save it first: mvc add {different[0]} && mvc commit",
        )
    made.write = [e for e in made.write if e.path not in strangers]
    for path in strangers:
        del made.expect[path]


def _refuse_obstacles(made: Plan, ground: Ground) -> None:
    """Raises Conflict when a file stays where a directory must be, or a directory where a file must be."""
    going = set(made.remove)
    obstacles = set()
    for entry in made.write:
        above = ground.blocker(entry.path)
        if above is not None and above not in going:
            obstacles.add(above)
        elif above is None and made.expect[entry.path] is None:
            obstacles.update(f for f in ground.files_below(entry.path) if f not in going)
    if obstacles:
        raise Conflict(
            f"{some(sorted(obstacles))} is in the way",
            kind="would-overwrite",
            cause="a file must become a directory there, or a directory a file; and this is to stay",
            help=f"move {min(obstacles)} away, then run the command again",
        )


def refuse_reserved(planned: Plan, rev: str) -> None:
    """A rollback makes a new version of an old one's content."""
    if planned.reserved:
        path = planned.reserved[0]
        raise Failure(
            f"{rev} holds {path!r}, which no new version may",
            kind="reserved-path",
            cause=why_reserved(path),
            help=f"mvc checkout {rev}, then mvc switch -c BRANCH and mvc commit: they leave it out",
        )


def some(paths: Sequence[str]) -> str:
    """The first few paths, for a person."""
    names = ", ".join(sorted(paths)[:_LISTED])
    more = len(paths) - _LISTED
    return names if more <= 0 else f"{names} and {more} more"
