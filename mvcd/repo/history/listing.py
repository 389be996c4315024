"""The files of one version: listed, opened, read."""

from __future__ import annotations

from collections.abc import Iterator

from mvcd.errors import Failure
from mvcd.objects.version import Component
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.records.results import Listed


def ls(
    core: Core, rev: str = "HEAD", path: str | None = None, *, component: Component | None = None
) -> Iterator[Listed]:
    """Yields files of a version, by component and path; Failure when `path` names nothing in it."""
    prefix = None if path is None or path == "." else path.rstrip("/")
    files = VersionFiles(core.version(core.resolve(rev)), core.fetch)
    wanted = None if component is None else (component,)
    empty = True
    for placed in files.all(wanted, prefix):
        empty = False
        yield _listed(placed)
    if empty and prefix is not None:
        raise _no_such_path(rev, path)


def open_file(core: Core, path: str, rev: str = "HEAD") -> VersionFile:
    """Opens a file of a version: seekable, read-only; reads only the chunks it needs. Raises Failure."""
    placed = VersionFiles(core.version(core.resolve(rev)), core.fetch).find(path)
    if placed is None:
        raise _no_such_path(rev, path)
    ahead = core.promised.ahead if core.promised else None
    return VersionFile(placed.entry, core.fetch, ahead)


def read(core: Core, path: str, rev: str = "HEAD") -> bytes:
    """Returns the bytes of a file of a version. Raises Failure where it has no such file."""
    with open_file(core, path, rev) as file:
        return file.read()


def _listed(placed: Placed) -> Listed:
    entry = placed.entry
    mode = entry.mode.name.lower()
    return Listed(entry.path, placed.component, entry.size, mode, entry.recipe.hex())


def _no_such_path(rev: str, path: str | None) -> Failure:
    return Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")
