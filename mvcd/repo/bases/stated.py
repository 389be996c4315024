"""Where the bases of fine-tunes are, as a workspace says: the [bases] table of mvc.toml.

    [bases]
    "tunes/*" = "base/"          # a directory or a file of the version before, or of the same commit
    "tunes/old/*" = "v3:model/"  # of another version; "REV:." is all of it

The first glob that matches a file decides. What it names is looked up when the first tensor of such a file is
to be stored, and nothing is fetched for it: a delta is an economy, never a need. What cannot be looked up is
noted, once for each line of the table, and the file is stored as if the line was not there.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from mvcd.errors import IntegrityError, MvcError, with_cause
from mvcd.inspect.pathglobs import compile_glob
from mvcd.lateclasses import NamedTuple
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.records.revisions import split_path

MAX_LISTED_FILES: Final = 20_000
"""Weight files of a base that are looked at."""


class StatedBase(NamedTuple):
    """A line of the table. `rev`: None is the version before; `path`: "" is all of it."""

    line: str
    pattern: re.Pattern[str]
    rev: str | None
    path: str

    def holds(self, path: str) -> bool:
        """Whether a file is the base's, by where it lies."""
        return not self.path or path == self.path or path.startswith(f"{self.path}/")


def parse(table: object) -> tuple[StatedBase, ...]:
    """Raises ValueError."""
    if not isinstance(table, Mapping):
        raise ValueError("it is no table")
    return tuple(_parsed(glob, where) for glob, where in table.items())


def _parsed(glob: str, where: object) -> StatedBase:
    if not isinstance(where, str) or not where.strip():
        raise ValueError(f"what {glob!r} has for a base must be a path or REV:PATH, as text")
    text = where.strip()
    first, rest = split_path(text)
    rev, path = (None, first) if rest is None else (first, rest)
    path = posixpath.normpath(path.strip("/") or ".")
    if path == ".." or path.startswith("../"):
        raise ValueError(f"{text!r} leads out of the workspace")
    return StatedBase(f'"{glob}" = "{text}"', compile_glob(glob), rev, "" if path == "." else path)


Lookup = Callable[[str], Version]
"""The version that a revision names. Raises MvcError."""


class StatedBases:
    """The table of one workspace, during one commit. Thread-safe."""

    def __init__(
        self,
        table: tuple[StatedBase, ...],
        parent: Version,
        fetch: Fetch,
        *,
        lookup: Lookup,
        way_to_absent: Callable[[], str],
    ) -> None:
        """`fetch` reads what is here, and nothing else; `way_to_absent` is the command that brings the rest."""
        self._table = table
        self._parent = parent
        self._fetch = fetch
        self._lookup = lookup
        self._way_to_absent = way_to_absent
        self._lock = threading.Lock()
        self._entries: dict[StatedBase, list[Entry]] = {}
        self._noted: dict[str, str] = {}

    def of(self, path: str) -> StatedBase | None:
        return next((base for base in self._table if base.pattern.fullmatch(path)), None)

    def entries(self, base: StatedBase, *, earlier: bool) -> list[Entry]:
        """Weight files of the version named; none, and a note, where there are none. `earlier`: files that this
        commit read before are the base's, too."""
        with self._lock:
            if base not in self._entries:
                self._entries[base] = self._listed(base, earlier)
            return self._entries[base]

    def absent(self, base: StatedBase) -> None:
        """Notes that content of it is not here."""
        self._note(base, "its content is not here", self._way_to_absent())

    @property
    def noted(self) -> tuple[tuple[str, str], ...]:
        """(line, why it was of no use, and what helps)."""
        return tuple(self._noted.items())

    def _listed(self, base: StatedBase, earlier: bool) -> list[Entry]:
        try:
            version = self._parent if base.rev is None else self._lookup(base.rev)
            found = list(islice(_weights(version, base.path, self._fetch), MAX_LISTED_FILES))
        except IntegrityError:
            self.absent(base)
            return []
        except MvcError as error:
            self._note(base, with_cause(error), error.help)
            return []
        if not found and not (earlier and base.rev is None):
            self._note(base, *self._nothing_there(base))
        return found

    def _nothing_there(self, base: StatedBase) -> tuple[str, str]:
        place = base.path or "."
        if base.rev is not None:
            return f"{base.rev} has no weights at {place}", f"mvc ls {base.rev}"
        why = f"no weights are at {place} in the version before, nor earlier in this commit"
        return why, "commit the base before; in another version it is REV:PATH"

    def _note(self, base: StatedBase, why: str, help: str | None) -> None:
        self._noted.setdefault(base.line, f"{why} (help: {help})" if help else why)


def _weights(version: Version, path: str, fetch: Fetch) -> Iterator[Entry]:
    files = VersionFiles(version, fetch)
    if path and (alone := files.find(path)) is not None:
        found = iter((alone,))
    else:
        found = files.all([Component.WEIGHTS], path or None)
    return (placed.entry for placed in found if placed.entry.mode is not Mode.SYMLINK)
