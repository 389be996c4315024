"""The files of one version: listed, opened, read, and named by the digests that others use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from mvcd.errors import Failure
from mvcd.objects.entry import Mode
from mvcd.objects.version import Component
from mvcd.repo.contents import digests
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.digests import DigestAlgorithm
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.records.results import Listed, PathEntry


def ls(
    core: Core,
    rev: str = "HEAD",
    path: str | None = None,
    *,
    component: Component | None = None,
    digest: DigestAlgorithm | None = None,
) -> Iterator[Listed]:
    """Yields files of a version, by component and path; Failure when `path` names nothing in it.

    With `digest`, each has it: remembered, or of the content, which is read then and remembered from then on.
    Raises IntegrityError where that is damaged, MissingObject where it is not here.
    """
    prefix = _inside(path) or None
    wanted = None if component is None else (component,)
    files = _files(core, rev).all(wanted, prefix)
    listed = map(_listed, files) if digest is None else _with_digests(core, files, digest)
    empty = True
    for file in listed:
        empty = False
        yield file
    if empty and prefix is not None:
        raise _no_such_path(rev, path)


def ls_directory(
    core: Core,
    rev: str = "HEAD",
    path: str | None = None,
    *,
    component: Component | None = None,
    digest: DigestAlgorithm | None = None,
) -> tuple[PathEntry, ...]:
    """What lies directly in a directory of a version (of it by default the top), by name; of a file, itself.

    Reads the nodes of the lists in which something lies directly, not those of directories below. `digest` as
    in `ls`. Raises Failure when `path` names nothing.
    """
    top = _inside(path)
    files = _files(core, rev)
    found = files.look_up(top) if top else True
    if found is False:
        raise _no_such_path(rev, path)
    wanted = None if component is None else (component,)
    if found is True:
        below = f"{top}/" if top else ""
        placed = {below + name: at for name, at in files.directory(top, wanted).items()}
    else:
        placed = {top: found} if wanted is None or found.component in wanted else {}
    made = [_path_entry(at, found) for at, found in placed.items()]
    if digest is None:
        return tuple(made)
    regular = [found for found in placed.values() if found is not None]
    known = iter(digests_of_files(core, regular, digest))
    return tuple(e if e.recipe is None else replace(e, digest=next(known)) for e in made)


def stat(core: Core, path: str, rev: str = "HEAD") -> PathEntry:
    """Tells what lies at a path of a version. Raises Failure when nothing does."""
    found = _look_up(core, path, rev)
    if found is False:
        raise _no_such_path(rev, path)
    return _path_entry(_inside(path), None if found is True else found)


def exists(core: Core, path: str, rev: str = "HEAD") -> bool:
    """Tells whether a version has a file or directory at a path. Raises Failure without such a version."""
    return _look_up(core, path, rev) is not False


def _look_up(core: Core, path: str, rev: str) -> Placed | bool:
    files, inside = _files(core, rev), _inside(path)
    return files.look_up(inside) if inside else True


def _inside(path: str | None) -> str:
    """A path as lists have it: "" for the top."""
    return "" if path is None or path == "." else path.rstrip("/")


def _path_entry(path: str, placed: Placed | None) -> PathEntry:
    if placed is None:
        return PathEntry(path, "directory")
    entry = placed.entry
    return PathEntry(
        path,
        "symlink" if entry.mode is Mode.SYMLINK else "file",
        entry.size,
        entry.mode is Mode.EXECUTABLE,
        placed.component,
        entry.recipe.hex(),
    )


def open_file(core: Core, path: str, rev: str = "HEAD") -> VersionFile:
    """Opens a file of a version: seekable, read-only; reads only the chunks it needs. Raises Failure."""
    placed = _files(core, rev).find(path)
    if placed is None:
        raise _no_such_path(rev, path)
    ahead = core.promised.ahead if core.promised else None
    return VersionFile(placed.entry, core.fetch, ahead)


def read(core: Core, path: str, rev: str = "HEAD") -> bytes:
    """Returns the bytes of a file of a version. Raises Failure where it has no such file."""
    with open_file(core, path, rev) as file:
        return file.read()


def file_digest(core: Core, path: str, rev: str = "HEAD", *, algorithm: DigestAlgorithm) -> str:
    """Returns the digest of one file of a version in hex; that of a link is of its text. Raises like `ls`."""
    placed = _files(core, rev).find(path)
    if placed is None:
        raise _no_such_path(rev, path)
    (found,) = digests_of_files(core, [placed], algorithm)
    return found


def _with_digests(
    core: Core, files: Iterable[Placed], algorithm: DigestAlgorithm
) -> Iterator[Listed]:
    for group in _groups(files):
        for placed, found in zip(group, digests_of_files(core, group, algorithm), strict=True):
            yield replace(_listed(placed), digest=found)


_LOOKED_UP_FILES = 1024
"""Files whose digests are looked up at once; those that had to be computed are written down at once too."""


def _groups(files: Iterable[Placed]) -> Iterator[list[Placed]]:
    rest = iter(files)
    while group := list(islice(rest, _LOOKED_UP_FILES)):
        yield group


def digests_of_files(core: Core, group: Sequence[Placed], algorithm: DigestAlgorithm) -> list[str]:
    """The digests of some files, in hex and in their order: remembered, or of the content, which is remembered
    from then on. Raises IntegrityError, MissingObject."""
    recipes = list(dict.fromkeys(placed.entry.recipe for placed in group))
    known = digests.remembered(core.store, recipes, algorithm)
    lacking = {p.entry.recipe: p.entry for p in group if p.entry.recipe not in known}
    rows: dict[bytes, bytes | None] = {}
    try:
        if lacking and core.promised is not None:
            core.promised.bring_entries(lacking.values())
        for entry, found in digests.computed(lacking.values(), core.contents, algorithm):
            known[entry.recipe] = found
            rows |= digests.rows(entry.recipe, ((algorithm, found),))
    finally:
        if rows:
            core.store.cache_put(rows)
    return [known[placed.entry.recipe].hex() for placed in group]


def _files(core: Core, rev: str) -> VersionFiles:
    """Raises Failure(kind="pruned") where nobody has them."""
    id = core.resolve(rev)
    require_here(core, id)
    return VersionFiles(core.version(id), core.fetch)


def _listed(placed: Placed) -> Listed:
    entry = placed.entry
    mode = entry.mode.name.lower()
    return Listed(entry.path, placed.component, entry.size, mode, entry.recipe.hex())


def _no_such_path(rev: str, path: str | None) -> Failure:
    help = f"mvc ls {rev}, or: mvc log {path}  (where it was)"
    return Failure(f"{rev} has no {path}", kind="no-such-path", help=help)
