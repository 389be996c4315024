"""What a version is edited by, path by path: files on disk, bytes, what other versions have, nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mvcd.errors import Failure, MissingObject, UsageError
from mvcd.ids import VersionId
from mvcd.objects.entry import Entry, Mode, check_path
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.contents.files import FULL_SCAN_LOOKUPS, VersionFiles, read_entry
from mvcd.repo.core.core import Core
from mvcd.repo.ondisk.below import entries_below
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.workspace import settings
from mvcd.repo.workspace.found import Candidate, CandidateState
from mvcd.repo.workspace.settings import Settings
from mvcd.store.api import Session


@dataclass(frozen=True, slots=True)
class Copied:
    """What a version has at a path: a file, or a directory with all below."""

    version: VersionId
    path: str


@dataclass(frozen=True, slots=True)
class OfMode:
    """The bytes of an executable file, or the text of a symbolic link."""

    data: bytes
    mode: Mode


Content = str | bytes | OfMode | Copied | None
"""What comes to a path: the file or directory on disk that an absolute path names, bytes, what a version has.
None: what is there goes, be it a file or a directory."""


@dataclass(frozen=True, slots=True)
class _File:
    """What comes to a path: its stat, and where its bytes lie on disk, or they themselves."""

    stat: FileStat
    at: str = ""
    data: bytes | None = None


class Edits:
    """Changes by path, taken apart into single files. Directories are listed once, when this is made.

    Raises UsageError for a path that no version may have, Failure: kind "no-such-path" for what is nowhere.
    """

    def __init__(self, core: Core, changes: Mapping[str, Content]) -> None:
        self._core = core
        self._gone: list[str] = []
        self._files: dict[str, _File] = {}
        self.copies: dict[str, Entry] = {}
        self.skipped: list[tuple[str, str]] = []
        """(path, reason) of what lies in directories on disk and no version can take."""
        for path, content in changes.items():
            _require_legal(path)
            if content is None:
                self._gone.append(path)
            elif isinstance(content, Copied):
                self._copy(path, content)
            elif isinstance(content, (bytes, OfMode)):
                self._hold(path, content)
            else:
                self._take(path, content)
        self.paths: Sequence[str] = sorted({*self._files, *self.copies})
        self.candidates = [
            Candidate(path, file.stat, CandidateState.NEW)
            for path, file in sorted(self._files.items(), key=lambda item: item[0])
        ]

    def _hold(self, path: str, content: bytes | OfMode) -> None:
        held = OfMode(content, Mode.FILE) if isinstance(content, bytes) else content
        executable, link = held.mode is Mode.EXECUTABLE, held.mode is Mode.SYMLINK
        stat = FileStat(len(held.data), 0, 0, 0, executable, link)
        self._put(path, _File(stat, data=held.data))

    def _put(self, path: str, file: _File) -> None:
        """Of two changes that bring a path the later one counts."""
        self.copies.pop(path, None)
        self._files[path] = file

    def _take(self, path: str, source: str) -> None:
        real = os.path.realpath(source)
        try:
            status = os.stat(real)
            if stat.S_ISREG(status.st_mode):
                self._put_file(path, real, status)
                return
            for below, entry in entries_below(real):
                self._put_file(f"{path}/{below}", entry.path, entry.stat(follow_symlinks=False))
        except NotADirectoryError:
            raise Failure(f"{source} is no file and no directory", kind="no-such-path") from None
        except OSError as error:
            raise Failure(
                f"{error.filename or source} cannot be read",
                kind="no-such-path" if error.errno == errno.ENOENT else "unreadable-file",
                cause=os.strerror(error.errno or 0),
            ) from None

    def _put_file(self, path: str, at: str, status: os.stat_result) -> None:
        if (name := reserved(path)) is not None:
            self.skipped.append((path, f"{name} is a repository's own"))
        elif not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
            self.skipped.append((path, "it is no regular file"))
        else:
            _require_legal(path)
            self._put(path, _File(FileStat.of(status), at))

    def _copy(self, path: str, content: Copied) -> None:
        files = VersionFiles(self._core.version(content.version), self._core.fetch)
        placed = files.find(content.path)
        if placed is not None:
            self._put_copy(path, placed.entry)
            return
        below = [p.entry for p in files.all(prefix=content.path)]
        if not below:
            raise Failure(
                f"{content.path} is in no component of {content.version.short()}",
                kind="no-such-path",
                help=f"mvc ls {content.version.short()}",
            )
        for entry in below:
            there = path + entry.path[len(content.path) :]
            _require_legal(there)
            self._put_copy(there, entry)

    def _put_copy(self, path: str, entry: Entry) -> None:
        self._files.pop(path, None)
        self.copies[path] = entry._replace(path=path)

    # ---------------------------------------------------------------- where the bytes of candidates lie

    def at(self, path: str) -> str:
        return self._files[path].at

    def data(self, path: str) -> bytes | None:
        return self._files[path].data

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:  # noqa: ARG002
        """It does not matter: a version gets what was read, which is one state."""
        return True

    # ---------------------------------------------------------------- against the version that is edited

    def gone_from(self, before: Version, fetch: Fetch, rev: str) -> list[str]:
        """The files that go, in order. Raises Failure where nothing is at a path that is to be empty."""
        files, found = VersionFiles(before, fetch), set[str]()
        for path in self._gone:
            there = [path] if files.find(path) else [p.entry.path for p in files.all(prefix=path)]
            if not there:
                raise Failure(
                    f"{rev} has no {path} to remove", kind="no-such-path", help=f"mvc ls {rev}"
                )
            found.update(there)
        return sorted(found.difference(self.paths))

    def require_places(self, before: Version, gone: Collection[str], fetch: Fetch) -> None:
        """Raises UsageError where a path would be a file and a directory at once."""
        for path, after in pairwise(self.paths):
            if after.startswith(path + "/"):
                raise UsageError(f"{path} cannot be a file and a directory, with {after}")
        for path in self._clashes(VersionFiles(before, fetch), frozenset(gone)):
            raise UsageError(
                f"{path} cannot be a file and a directory",
                cause="the version that is edited has it as the other",
                help="remove what is there in the same version",
            )

    def _clashes(self, files: VersionFiles, gone: frozenset[str]) -> Iterator[str]:
        above = {up for path in self.paths for up in directories_above(path)}
        there = files.lookup({*above, *self.paths})
        yield from sorted(path for path in above if path in there and path not in gone)
        new = [path for path in self.paths if path not in there]
        if len(new) < FULL_SCAN_LOOKUPS:
            for path in new:
                if any(p.entry.path not in gone for p in files.all(prefix=path)):
                    yield path
        else:
            kept = (p.entry.path for p in files.all() if p.entry.path not in gone)
            directories = {up for path in kept for up in directories_above(path)}
            yield from (path for path in new if path in directories)

    def settings_after(self, before: Settings) -> Settings:
        """Reads `mvc.toml` as it will be. Raises Failure where that is wrong."""
        path = settings.FILE
        if path in self._gone:
            return {}
        if path in self.copies:
            return settings.parse(read_entry(self.copies[path], self._core.fetch), path)
        file = self._files.get(path)
        if file is None:
            return before
        return settings.load_file(file.at) if file.data is None else settings.parse(file.data, path)

    def rely_on_copies(self, session: Session) -> None:
        """Puts what is copied under the session's lease. Raises MissingObject for what is not here."""
        ids = list(dict.fromkeys(entry.recipe for entry in self.copies.values()))
        for id, missing in zip(ids, session.missing(ids), strict=True):
            if missing:
                raise MissingObject(
                    f"{id.short()} is not in the store", help=self._core.way_to_absent()
                )


def _require_legal(path: str) -> None:
    try:
        check_path(path)
    except ValueError as error:
        raise UsageError(str(error)) from None


def directories_above(path: str) -> Iterator[str]:
    """The nearest one first."""
    while path := path.rpartition("/")[0]:
        yield path
