"""Folders that are versions by their names, as `model_v1`, `model_v2`, `final`: one after the other, by time.

A folder's time is that of its newest file. Each version has just what is in its folder, not below the folder's
name, so that one can be compared with the next; a tag has the name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mvc.api.errors import Failure, UsageError
from mvc.api.import_verbs import unfit_path
from mvc.api.results import Monitor
from mvc.api.write_verbs import Source, Symlink
from mvc.importers.lines import ImportRecord
from mvc.importers.results import ImportResult
from mvc.importers.target import ImportTarget, Names, Progress, store_bytes, target_at

BRANCH = "main"


@dataclass(frozen=True, slots=True)
class NamedFolder:
    """A directory, its name as a version, the time of its newest file, and the bytes of all files."""

    path: str
    name: str
    time: datetime
    bytes: int

    @property
    def message(self) -> str:
        return f"{self.name}\n\nA folder as it was on {self.time.isoformat(sep=' ')}"


def import_folders(
    sources: Sequence[str],
    directory: str | None = None,
    *,
    into: str | None = None,
    bare: bool = False,
    monitor: Monitor | None = None,
) -> ImportResult:
    """Imports directories as versions of one branch, oldest first, each with a tag of its name.

    A single source stands for the directories in it. `directory` and `into` as for `import_git`. Run again, it
    goes on, and brings folders that are new or have newer files.

    Raises Failure: kind "no-folders", "not-empty", "unreadable-file"; UsageError for two of one name.
    """
    if (directory is None) == (into is None):
        raise UsageError("an import goes to a new repository or into this one", help="--to DIR")
    found, notes = _folders(sources)
    with target_at(directory or "", into, bare=bare) as target:
        target.require_same("folders", [])
        return _import(found, notes, ", ".join(sources), target, monitor)


def _import(
    folders: Sequence[NamedFolder],
    notes: list[str],
    shown: str,
    target: ImportTarget,
    monitor: Monitor | None,
) -> ImportResult:
    repo, lines, known = target.repo, target.lines, target.known_messages()
    start, tip = store_bytes(repo), target.newest(known.values())
    progress = Progress(monitor, len(folders))
    tags, made, left_out = dict[str, tuple[str, str]](), 0, dict[str, str]()
    before = len(known)
    for folder in folders:
        version = known.get(folder.message)
        if version is None:
            record = ImportRecord(target.repo.author, folder.time, folder.message)
            files = dict(_files(folder, left_out))
            done = lines.write([tip] if tip else [], files, record, whole=True)
            left_out |= dict(done.skipped)
            version = tip = done.version
            made += 1
        tags[folder.name] = version, ""
        progress.advance(folder.bytes)
    progress.finish()
    assert tip is not None
    named = target.name(Names({BRANCH: tip}, tags, BRANCH), lines.names, f"import folders {shown}")
    return ImportResult(
        "folders", shown, repo.root, made, before, tuple(named.branches), tuple(named.tags),
        {"folders": sum(f.bytes for f in folders)}, max(0, store_bytes(repo) - start),
        tuple(named.renamed), tuple(named.left.items()), (), tuple(sorted(left_out.items())),
        tuple(notes), named.checkout,
    )  # fmt: skip


def _files(folder: NamedFolder, left_out: dict[str, str]) -> Iterator[tuple[str, Source]]:
    with os.scandir(folder.path) as entries:
        for entry in entries:
            if (why := unfit_path(entry.name)) is not None:
                left_out[os.path.join(folder.name, entry.name)] = why
            elif entry.is_symlink():
                yield entry.name, Symlink(os.readlink(entry.path))
            elif entry.is_dir() or entry.is_file():
                yield entry.name, entry.path
            else:
                left_out[os.path.join(folder.name, entry.name)] = "it is no regular file"


# -------------------------------------------------------------------- which folders


def _folders(sources: Sequence[str]) -> tuple[list[NamedFolder], list[str]]:
    """The folders, oldest first, and what is left out of them."""
    notes: list[str] = []
    paths = [os.path.abspath(source) for source in sources]
    for path in paths:
        if not os.path.isdir(path):
            raise Failure(f"{path} is no directory", kind="no-folders")
    if len(paths) == 1:
        inside = [os.path.join(paths[0], name) for name in sorted(os.listdir(paths[0]))]
        folders = [path for path in inside if os.path.isdir(path) and not _is_repository(path)]
        loose = sum(os.path.isfile(path) for path in inside)
        if folders and loose:
            are = "file beside the folders is" if loose == 1 else "files beside the folders are"
            notes.append(f"{loose} {are} in no version")
        paths = folders
    found = [folder for path in paths if (folder := _folder(path)) is not None]
    notes += [f"{path} is empty" for path in paths if path not in {f.path for f in found}]
    if not found:
        raise Failure(
            f"there are no folders with files in {sources[0]}", kind="no-folders",
            help="name the folders that are to be versions one by one",
        )  # fmt: skip
    names = [folder.name for folder in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two folders are called {twice}", help="import one of them, or rename it")
    return sorted(found, key=lambda f: (f.time, _natural(f.name))), notes


def _is_repository(path: str) -> bool:
    """Whether it is, or is of, a repository: what an earlier run made, for instance."""
    own = os.path.lexists(os.path.join(path, ".mvc"))
    return own or unfit_path(os.path.basename(path)) is not None


def _folder(path: str) -> NamedFolder | None:
    newest, size = None, 0
    for directory, _, names in os.walk(path):
        for name in names:
            status = os.lstat(os.path.join(directory, name))
            size += status.st_size
            newest = max(newest or 0, status.st_mtime_ns)
    if newest is None:
        return None
    time = datetime.fromtimestamp(newest // 1000 / 1_000_000).astimezone()
    return NamedFolder(path, os.path.basename(path), time, size)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts v2 before v10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]
