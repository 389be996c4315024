"""Git histories, with what DVC or Git LFS point to: a version for each commit, with its graph and its names.

A version follows the first two parents of its commit; mvc knows no merge of more. With `paths`, a commit that
changes nothing there has no version of its own: its parent's stands for it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from mvc.api.errors import Failure, UsageError
from mvc.api.import_verbs import unfit_path
from mvc.api.results import Monitor
from mvc.importers.commits import Commits, CommitStep, Item
from mvc.importers.dvcfiles import DvcPointers
from mvc.importers.fetched import Fetched
from mvc.importers.gitrecords import GitCommit, GitNames
from mvc.importers.gitsource import GitSource, clone
from mvc.importers.lfsfiles import LfsPointers
from mvc.importers.lines import ImportLines
from mvc.importers.pointers import Pointers
from mvc.importers.results import AbsentContent, ImportResult
from mvc.importers.target import ImportTarget, Named, Names, Progress, store_bytes, target_at

GitKind = Literal["git", "dvc", "lfs"]
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+@[^/]+:")
_MAX_MESSAGE_CHARACTERS = 100_000
_MAX_TAG_MESSAGE_BYTES = 16 << 10
_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True)
class GitImport:
    """How a history is imported.

    `kind`: whose pointers are replaced. `paths`: only what lies there. `caches`: further directories of
    content. `allow_missing`: pointers to content that is nowhere stay, rather than that nothing is imported.
    """

    kind: GitKind = "git"
    paths: Sequence[str] = ()
    caches: Sequence[str] = ()
    allow_missing: bool = False
    bare: bool = False


def import_git(
    source: str,
    directory: str | None = None,
    how: GitImport | None = None,
    *,
    into: str | None = None,
    monitor: Monitor | None = None,
) -> ImportResult:
    """Imports the git repository at `source`, a directory or an address, into a new repository at `directory`.

    `directory` is by default named like the source. With `into`, the repository around the current directory
    gets the branches and tags, with `into/` before their names. The same call again goes on where the one
    before was interrupted, and brings what is new.

    Raises Failure: kind "no-git", "not-empty", "missing-content" (nothing was written then), "unstable-file";
    IntegrityError where content is not what its digest says.
    """
    how = how or GitImport()
    paths = [_inside(path) for path in how.paths]
    if into is not None and (directory is not None or how.bare):
        raise UsageError("an import into this repository makes no other one")
    with (
        _opened(source) as git,
        target_at(directory or _name_of(source), into, bare=how.bare) as target,
    ):
        target.require_same(how.kind, paths)
        return _Import(git, target, replace(how, paths=paths), monitor).run(source)


@contextmanager
def _opened(source: str) -> Iterator[GitSource]:
    if os.path.isdir(source) or not _ADDRESS.match(source):
        with GitSource(os.path.abspath(source)) as git:
            yield git
        return
    with tempfile.TemporaryDirectory(prefix="mvc-import-") as place:
        copy = os.path.join(place, "source.git")
        clone(source, copy)
        with GitSource(copy) as git:
            yield git


def _name_of(source: str) -> str:
    name = re.split(r"[/:]", source.rstrip("/"))[-1] if _ADDRESS.match(source) else None
    found = name or os.path.basename(os.path.abspath(source))
    return found.removesuffix(".git") or "imported"


def _inside(path: str) -> str:
    whole = os.path.normpath(path)
    if whole.startswith(("/", "..")) or whole == ".":
        raise UsageError(f"{path} is no path in the source", help="name it from its top directory")
    return whole


@dataclass(slots=True)
class _Told:
    """What the result will say besides what the names say."""

    made: int = 0
    absent: list[AbsentContent] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class _Import:
    """One import of a git history."""

    def __init__(
        self, git: GitSource, target: ImportTarget, how: GitImport, monitor: Monitor | None
    ) -> None:
        self._git, self._target, self._how, self._monitor = git, target, how, monitor
        self._told = _Told()
        self._pointers: Pointers | None = None
        if how.kind == "dvc":
            self._pointers = DvcPointers(git, how.caches)
        elif how.kind == "lfs":
            self._pointers = LfsPointers(git, how.caches)

    def run(self, shown: str) -> ImportResult:
        names, repo = self._git.names(), self._target.repo
        tips = [*names.branches.values(), *(tag.commit for tag in names.tags.values())]
        tips += [names.detached] if names.detached else []
        if not tips:
            raise Failure(f"{shown} has no commits", kind="no-git")
        commits = Commits(self._git, self._git.commits(tips), self._pointers, self._how.paths)
        known = self._target.known()
        before, start = len(known), store_bytes(repo)
        if self._pointers is not None:
            self._require_content(commits, known)
        with tempfile.TemporaryDirectory(prefix="mvc-import-") as place:
            self._progress = Progress(self._monitor, len(commits.rows) - before)
            hashed = partial(self._progress.advance, versions=0)
            fetched = Fetched(self._git, os.path.join(place, "files"), hashed)
            lines = self._target.lines
            try:
                versions = self._write(commits, known, lines, fetched)
            finally:
                self._progress.finish()
        named = self._target.name(
            self._names(names, versions), lines.names, f"import {self._how.kind} {shown}"
        )
        self._notes(names, named)
        return self._result(shown, before, start, named, fetched)

    def _result(
        self, shown: str, before: int, start: int, named: Named, fetched: Fetched
    ) -> ImportResult:
        told, repo = self._told, self._target.repo
        sizes = {"git": self._git.size()}
        if self._pointers is not None:
            sizes = {self._pointers.place: sum(fetched.bytes_by_digest.values()), **sizes}
        return ImportResult(
            self._how.kind, shown, repo.root, told.made, before,
            tuple(named.branches), tuple(named.tags), sizes, max(0, store_bytes(repo) - start),
            tuple(named.renamed), tuple(named.left.items()), tuple(told.absent),
            tuple(sorted(told.left_out.items())), tuple(told.notes), named.checkout,
        )  # fmt: skip

    # ---------------------------------------------------------------- before anything is written

    def _require_content(self, commits: Commits, known: Mapping[str, str]) -> None:
        """Raises Failure where content is in no cache and may not be missing."""
        assert self._pointers is not None
        problems: dict[str, str] = {}
        for step in commits.steps(known):
            self._told.absent += [
                AbsentContent(lack.path, lack.digest, step.commit) for lack in step.lacking
            ]
            problems |= dict(step.problems)
        self._told.notes += [f"{path} stays as it is: {why}" for path, why in problems.items()]
        absent = self._told.absent
        if not absent or self._how.allow_missing:
            return
        files = len({lack.digest for lack in absent})
        shown = [f"{a.path} ({a.digest}, commit {a.commit[:12]})" for a in absent[:_SHOWN_FILES]]
        more = len(absent) - len(shown)
        error = Failure(
            f"{files} {'file is' if files == 1 else 'files are'} not in {self._pointers.place}",
            kind="missing-content",
            cause="; ".join(shown) + (f"; and {more} more" if more > 0 else "")
            + f". Looked in {', '.join(self._pointers.searched())}",
            help=f"cd {self._git.path} && {self._pointers.way}  "
            "(or --cache DIR, or --allow-missing, which leaves the pointers as they are)",
        )  # fmt: skip
        error.more = {
            "absent": [{"path": a.path, "digest": a.digest, "commit": a.commit} for a in absent]
        }
        raise error

    # ---------------------------------------------------------------- versions

    def _write(
        self, commits: Commits, known: Mapping[str, str], lines: ImportLines, fetched: Fetched
    ) -> dict[str, str | None]:
        """Makes the versions that are not here; all of them, by commit. A commit before the first that has
        any of the paths has none."""
        versions: dict[str, str | None] = dict(known)
        for step in commits.steps(known):
            parents = list(dict.fromkeys(v for p in step.parents if (v := versions[p]) is not None))
            files = self._fit(step)
            if self._how.paths and not files and len(parents) < 2:
                versions[step.commit] = parents[0] if parents else None
                continue
            whole = not step.parents or versions[step.parents[0]] is None
            versions[step.commit] = self._version(step, parents, files, whole, lines, fetched)
        return versions

    def _version(
        self,
        step: CommitStep,
        parents: Sequence[str],
        files: Mapping[str, Item | None],
        whole: bool,
        lines: ImportLines,
        fetched: Fetched,
    ) -> str:
        record = self._record(step.commit)
        if len(parents) > 2:
            others = ", ".join(p[:12] for p in step.parents[2:])
            self._told.notes.append(
                f"commit {step.commit[:12]} merges more than two; its version does not follow {others}"
            )
        fetched.begin()
        sources = {path: fetched.source(path, item) for path, item in files.items()}
        done = lines.write(parents[:2], sources, record, origin=step.commit, whole=whole)
        try:
            fetched.require_unchanged()
        except BaseException:
            self._target.repo.undo()  # else the next run would take it for what the source has
            raise
        fetched.remember(done.version, files.items())
        self._told.left_out |= dict(done.skipped)
        self._told.made += 1
        self._progress.advance(0)
        return done.version

    def _fit(self, step: CommitStep) -> dict[str, Item | None]:
        files: dict[str, Item | None] = {}
        for path, item in step.files.items():
            why = unfit_path(path)
            if why is None:
                files[path] = item
            elif item is not None:
                shown = os.fsencode(path).decode("utf-8", "backslashreplace")
                self._told.left_out[shown] = why
        return files

    def _record(self, commit: str) -> GitCommit:
        record = self._git.commit(commit)
        if record.doubt is not None:
            self._told.notes.append(f"commit {commit[:12]}: {record.doubt}")
        message = record.message.strip("\n")
        if len(message) > _MAX_MESSAGE_CHARACTERS:
            message = message[:_MAX_MESSAGE_CHARACTERS]
            self._told.notes.append(f"commit {commit[:12]}: the end of its message is cut off")
        return replace(record, message=message)

    # ---------------------------------------------------------------- names

    def _names(self, found: GitNames, versions: Mapping[str, str | None]) -> Names:
        branches = {n: v for n, c in found.branches.items() if (v := versions[c]) is not None}
        tags = {}
        for name, tag in found.tags.items():
            version, message = versions[tag.commit], tag.message
            if len(message.encode()) > _MAX_TAG_MESSAGE_BYTES:
                message = message.encode()[:_MAX_TAG_MESSAGE_BYTES].decode("utf-8", "ignore")
                self._told.notes.append(f"tag {name}: the end of its message is cut off")
            if version is not None:
                tags[name] = version, message
        detached = versions[found.detached] if found.detached else None
        return Names(branches, tags, found.head, detached)

    def _notes(self, names: GitNames, named: Named) -> None:
        say = self._told.notes.append
        for line in named.kept:
            say(f"branch {line} holds versions that no branch or tag of the source reaches")
        if names.other_tags:
            say(f"tags of no commit are left out: {', '.join(names.other_tags)}")
        if names.remote_only:
            some = ", ".join(names.remote_only[:_SHOWN_FILES])
            more = " ..." if len(names.remote_only) > _SHOWN_FILES else ""
            say(f"branches that only the source's remote has are left out: {some}{more}")
        if self._how.kind == "git" and b"filter=lfs" in self._git.file_at("HEAD", ".gitattributes"):
            say("the source has Git LFS: mvc import lfs brings what its pointers stand for")
        if self._how.kind != "dvc" and self._git.file_at("HEAD", ".dvc/.gitignore"):
            say("the source has DVC: mvc import dvc brings what its pointers stand for")
        if self._git.is_shallow:
            say("the source is a shallow clone: what is older is not there")
