"""A part of a side: some of its paths, or one directory or file of it, compared with another one.

A narrowed side is a side like others: a version that has only those files, under the names by which they are
compared, with the settings and metrics that these files record. So everything that compares versions compares
parts of them. Its lists of files exist in memory alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mvcd.errors import Failure, UsageError
from mvcd.ids import Digest
from mvcd.lateclasses import NamedTuple
from mvcd.objects.manifest import edit_manifest
from mvcd.objects.version import EMPTY, Component, Version
from mvcd.repo.compare.sides import Side, Sides, sides_of
from mvcd.repo.contents.files import ABSENT, Placed
from mvcd.repo.core.core import Core
from mvcd.repo.records.revisions import split_path

if TYPE_CHECKING:
    from mvcd.inspect.recorded import Recorded


class ComparedPart(NamedTuple):
    """What `REV:PATH` names: all of the version without a path. `rev` is None for the workspace."""

    rev: str | None
    path: str | None = None

    @classmethod
    def of(cls, text: str | None) -> ComparedPart:
        """Splits as `split_path` does; the path is from the top of the workspace, which is "."."""
        if text is None:
            return cls(None)
        rev, path = split_path(text)
        return cls(rev, None if path is None else path.strip("/") or ".")

    @property
    def shown(self) -> str:
        where = "the workspace" if self.rev is None else self.rev
        return where if self.path is None else f"{where}:{self.path}"


def parts_of(
    core: Core, old: str | None = None, new: str | None = None, paths: Collection[str] = ()
) -> Sides:
    """Takes up two sides as `sides_of` does, or parts of them.

    `REV:PATH` is a directory or file of a version, compared with the other side's, or with the same path of it.
    `paths` leaves of both sides only what is one of these, or below.
    """
    parts = ComparedPart.of(old or "HEAD"), ComparedPart.of(new)
    sides = sides_of(core, parts[0].rev, parts[1].rev)
    if any(part.path is not None for part in parts):
        sides = below(core, sides, parts)
    return among(core, sides, paths) if paths else sides


def below(core: Core, sides: Sides, parts: tuple[ComparedPart, ComparedPart]) -> Sides:
    """The sides, each cut down to the path of its part. Files of a directory are called by what follows it; two
    files have one name, the new one's. A side without a path has the other's.

    Raises Failure (kind "no-such-path") where a version has no such file, and UsageError for a file compared
    with a directory.
    """
    paths = [part.path or next(p.path for p in parts if p.path) for part in parts]
    both = (sides.old, sides.new)
    found = [_moved(s, p, _normal(at)) for s, p, at in zip(both, parts, paths, strict=True)]
    alone = [None in moved for moved in found]
    if alone[0] is not alone[1]:
        one, other = (
            part._replace(path=path).shown for part, path in zip(parts, paths, strict=True)
        )
        raise UsageError(f"of {one} and {other} one is a file and one a directory")
    if alone[0]:
        name = _normal(paths[1]).rpartition("/")[2]
        found = [dict(zip([name], moved.values(), strict=True)) for moved in found]
    named = [{n: placed for n, placed in moved.items() if n is not None} for moved in found]
    return replace(_narrowed(core, sides, named), below=(paths[0], paths[1]))


def among(core: Core, sides: Sides, paths: Collection[str]) -> Sides:
    """The sides with only the files that are one of `paths`, or below one.

    Raises Failure (kind "no-such-path") for a path that neither side has.
    """
    kept: list[dict[str, Placed]] = [{}, {}]
    for path in map(_normal, paths):
        empty = True
        for mine, side in zip(kept, (sides.old, sides.new), strict=True):
            for placed in side.files.all(prefix=path or None):
                mine[placed.entry.path] = placed
                empty = False
        if empty:
            raise Failure(f"neither side has {path}", kind="no-such-path", help="mvc ls REV")
    return _narrowed(core, sides, kept)


def _normal(path: str) -> str:
    return "" if path == "." else path


def _moved(side: Side, part: ComparedPart, path: str) -> dict[str | None, Placed]:
    """Files by the names that they have below `path`; the file `path` itself by None."""
    found: dict[str | None, Placed] = {}
    for placed in side.files.all(prefix=path or None):
        name = placed.entry.path
        found[None if name == path else name[len(path) + 1 :] if path else name] = placed
    if not found and path:
        where = part.rev or "the workspace"
        hint = f"mvc ls {part.rev}" if part.rev else "mvc status"
        raise Failure(f"{where} has no {path}", kind="no-such-path", help=hint)
    return found


def _narrowed(core: Core, sides: Sides, files: Sequence[Mapping[str, Placed]]) -> Sides:
    """Sides that have `files`, by the names that they are to have."""
    # Made by both, for whoever compares reads the lists of both from the new side.
    made: dict[Digest, bytes] = {}
    old = _narrow(core, sides.old, files[0], made)
    return replace(sides, old=old, new=_narrow(core, sides.new, files[1], made))


def _narrow(core: Core, side: Side, files: Mapping[str, Placed], made: dict[Digest, bytes]) -> Side:
    def fetch(id: Digest) -> bytes:
        data = made.get(id)
        return side.fetch(id) if data is None else data

    roots = {}
    for component in Component:
        mine = {
            name: placed.entry._replace(path=name)
            for name, placed in files.items()
            if placed.component is component
        }
        roots[component] = edit_manifest(None, mine, fetch, made.__setitem__)
    version = replace(EMPTY, components=roots)
    whole, place = side.place, None
    if whole is not None:
        place = lambda name: whole(files[name].entry.path)  # noqa: E731
    narrowed = replace(side, version=version, fetch=fetch, place=place)
    return replace(narrowed, version=_with_values(core, narrowed))


def _with_values(core: Core, side: Side) -> Version:
    from mvcd.repo.contents import flatvalues  # late: start-up

    gathered = flatvalues.gather(side.files.all(), lambda placed: values_of(core, side, placed))
    settings, _ = flatvalues.merged(gathered.settings)
    metrics, _ = flatvalues.merged(gathered.metrics)
    return replace(side.version, hyperparameters=settings, metrics=metrics)


def values_of(core: Core, side: Side, placed: Placed) -> Recorded | None:
    from mvcd.repo.contents import flatvalues  # late: start-up

    component, entry = placed
    key = flatvalues.cache_key(component, entry.path, entry.recipe)
    (row,) = core.store.cache_get([key])
    if row is not None:
        return flatvalues.unpack(row)
    try:
        with side.open(entry) as file:
            return flatvalues.parse_file(component, entry.path, file, entry.size)
    except ABSENT:
        return None
