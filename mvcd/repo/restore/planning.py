"""What a move of files writes and removes, and what stands in its way.

Planned before anything is touched: unsaved work that would go, files that no version has, files where a
directory must be and the reverse. Whether unsaved work may go is for the verb to say (moves.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mvcd.errors import Conflict, Failure
from mvcd.objects.entry import Entry
from mvcd.objects.reserved import reserved
from mvcd.objects.version import Version
from mvcd.repo.contents.files import Change, Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Source
from mvcd.repo.intake.recut import as_before
from mvcd.repo.intake.targets import DryTarget
from mvcd.repo.ondisk.folding import Respelling, in_the_way, refuse_twins, respellings
from mvcd.repo.ondisk.ground import Ground
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import Unreadable, remedy
from mvcd.repo.restore.checkout import why_reserved
from mvcd.repo.workspace.left_out import Components, kept

_LISTED_PATHS = 5
"""Paths an error names; more are counted."""


@dataclass(slots=True)
class CheckoutPlan:
    """`expect` has the stat of the file at each path to be written or removed; None: there is none."""

    write: list[Entry] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    expect: dict[str, FileStat | None] = field(default_factory=dict)
    unsaved: list[str] = field(default_factory=list)  # would be lost
    right: list[str] = field(default_factory=list)  # unsaved, but as they should become already
    kept: list[str] = field(default_factory=list)  # unsaved work that is not in the way
    respell: list[Respelling] = field(default_factory=list)  # lies there under another spelling
    alike: list[str] = field(default_factory=list)  # stays, under a name that is one with a written
    reserved: list[str] = field(default_factory=list)  # neither written nor removed (reserved.py)


def plan(
    core: Core,
    wanted: Mapping[str, Change],
    dirty: Mapping[str, Change],
    *,
    unreadable: Unreadable,
    everything: bool,
) -> CheckoutPlan:
    """From (now, then) per path, and what is dirty against HEAD.

    With `everything`, dirty files outside `wanted` go back to HEAD's content too. Raises Conflict when
    something lies in the way that no version stands for, or that nobody can read: it cannot be put aside.
    """
    refuse_unreadable(wanted, unreadable)
    made, ground = CheckoutPlan(), Ground(core.root)
    respelled = _only_respelled(core, dirty)
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
        if path in dirty and path not in respelled:
            made.unsaved.append(path)
        if then is None:
            made.remove.append(path)
        else:
            made.write.append(then.entry)
        made.expect[path] = lies
    made.kept = sorted(p for p in dirty if p not in targets)
    _admit_equals(core, made, strangers)
    _refuse_obstacles(made, ground)
    if made.write:
        paths = [entry.path for entry in made.write]
        made.respell, made.alike = respellings(core.root, core.names, paths, set(made.remove))
    return made


def refuse_unreadable(paths: Iterable[str], unreadable: Unreadable) -> None:
    """Raises Conflict when one of the paths that are to be written cannot be read as it is now."""
    hidden = {above for path in paths if (above := unreadable.above(path)) is not None}
    if hidden:
        first = min(hidden)
        raise Conflict(
            f"{some(sorted(hidden))} would be overwritten, and may hold unsaved work",
            kind="would-overwrite",
            cause=f"{first} {unreadable.reasons[first]}",
            help=f"{remedy(first)}, or move it away",
        )


def _only_respelled(core: Core, dirty: Mapping[str, Change]) -> set[str]:
    """New files that are a file of HEAD's under a name that is one with its own here: as after a checkout that
    died between the rename and the rest. What they hold is not unsaved."""
    gone = {path: was for path, (was, now) in dirty.items() if was is not None and now is None}
    new = {path: now for path, (was, now) in dirty.items() if was is None and now is not None}
    if not (gone and new) or not core.names.folds:
        return set()
    names, found = core.names, set()
    sorted_ = names.sorted(gone)
    for path, now in new.items():
        for other in sorted_.get(names.key(path), ()):
            a, b = gone[other].entry, now.entry
            if (a.mode, a.size, a.recipe) == (b.mode, b.size, b.recipe) and names.are_one(
                path, other
            ):
                found.add(path)
    return found


def _same_file(a: Placed | None, b: Placed | None) -> bool:
    return (None if a is None else a.entry) == (None if b is None else b.entry)


def _admit_equals(core: Core, made: CheckoutPlan, strangers: Mapping[str, FileStat]) -> None:
    """A file that is not under care may stay if it is what would be written, else Conflict.

    So it is after `untrack`, and after a checkout that died: its files are here, HEAD is still elsewhere.
    """
    if not strangers:
        return
    wanted = {e.path: e for e in made.write if e.path in strangers}
    sources = [Source(p, s) for p, s in strangers.items() if s.size == wanted[p].size]
    target = DryTarget()
    with Ingest(core.root, target, monitor=core.monitor) as ingest:
        read = as_before(
            ingest.run(sources),
            wanted.get,
            core.fetch,
            target,
            lambda path: os.path.join(core.root, path),
        )
        found = {r.path: Entry(r.path, r.mode, r.size, r.recipe) for r in read}
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


def _refuse_obstacles(made: CheckoutPlan, ground: Ground) -> None:
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


def spelled_otherwise(
    core: Core, wanted: Mapping[str, Change], here: Mapping[str, Change]
) -> dict[str, Change]:
    """Files that go since what is wanted comes in their place, under a name that is the same one here."""
    coming = core.names.sorted(path for path, (_, then) in wanted.items() if then is not None)
    going = {path: change for path, change in here.items() if change[1] is None}
    return {path: change for path, change in going.items() if core.names.any_is(path, coming)}


def refuse_alike(core: Core, planned: CheckoutPlan, version: Version, leaving: Components) -> None:
    """Raises Failure when two files that will be there, of `version` but for what is left out, would be one on
    this file system; Conflict when one that no version has would be overwritten under another name."""
    if not planned.write or not core.names.folds:
        return
    going = set(planned.remove)
    there = kept(VersionFiles(version, core.fetch), leaving)
    staying = (placed.entry.path for placed in there if placed.entry.path not in going)
    refuse_twins([*staying, *(entry.path for entry in planned.write)], core.names, core.root)
    if planned.alike:
        raise in_the_way(planned.alike)


def refuse_reserved(planned: CheckoutPlan, rev: str) -> None:
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
    names = ", ".join(sorted(paths)[:_LISTED_PATHS])
    more = len(paths) - _LISTED_PATHS
    return names if more <= 0 else f"{names} and {more} more"
