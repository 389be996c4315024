"""Snapshots of the Hugging Face cache as versions, one after the other, in the order in which they came.

The cache does not say which commit follows which. A snapshot has the files that someone asked for; where more
came since it was imported, another version of the same commit has those too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from mvc.api.errors import Failure
from mvc.api.results import Monitor
from mvc.api.write_verbs import Source
from mvc.importers.fetched import CachedContent
from mvc.importers.hfcache import HfCache, HfSnapshot, read_cache
from mvc.importers.lines import ImportLines, ImportRecord
from mvc.importers.pointers import CachedFile, Lacking
from mvc.importers.results import AbsentContent, ImportResult
from mvc.importers.target import ImportTarget, Names, Progress, store_bytes, target_at

BRANCH = "main"
_SHOWN_FILES = 5


def import_hf(
    source: str,
    directory: str | None = None,
    *,
    allow_missing: bool = False,
    into: str | None = None,
    bare: bool = False,
    monitor: Monitor | None = None,
) -> ImportResult:
    """Imports the snapshots of one model or data set in the cache of the Hugging Face Hub.

    `source` is its directory, like `models--ORG--NAME`; `directory` (by default NAME) and `into` as for
    `import_git`. Run again, it brings snapshots and files that are new. Files whose download did not end are
    left out if `allow_missing`.

    Raises Failure: kind "no-hf", "not-empty", "missing-content" (nothing was written then), "unstable-file";
    IntegrityError where content is not what its name in the cache says.
    """
    cache = read_cache(source)
    if not cache.snapshots:
        raise Failure(f"{source} has no snapshots", kind="no-hf")
    with target_at(directory or cache.name, into, bare=bare) as target:
        target.require_same("hf", [f"{cache.type}:{cache.id}"])
        return _Snapshots(cache, target).run(source, allow_missing, monitor)


@dataclass(slots=True)
class _Step:
    """A snapshot, the version that it has already, with which paths, and what of it is new."""

    snapshot: HfSnapshot
    version: str | None
    paths: set[str]
    new: dict[str, CachedFile | str]
    lacking: list[Lacking]


class _Snapshots:
    """One import of snapshots."""

    def __init__(self, cache: HfCache, target: ImportTarget) -> None:
        self._cache, self._target = cache, target
        self._notes = list(cache.notes)
        self._left_out: dict[str, str] = {}
        self._made = self._loose_bytes = 0

    def run(self, source: str, allow_missing: bool, monitor: Monitor | None) -> ImportResult:
        target, repo = self._target, self._target.repo
        known, start, lines = target.known(), store_bytes(repo), target.lines
        steps = [self._step(snapshot, known) for snapshot in self._cache.snapshots]
        absent = [AbsentContent(lack.path, lack.digest, step.snapshot.commit)
                  for step in steps for lack in step.lacking]  # fmt: skip
        some = any(step.new or step.version for step in steps)
        if (absent or self._cache.unfinished) and not (allow_missing and some):
            raise self._missing(absent)
        if not some:
            raise Failure(f"{source} has no files that a version can have", kind="no-hf")
        self._notes += [
            f"blobs/{name} is a download that did not end" for name in self._cache.unfinished
        ]
        with tempfile.TemporaryDirectory(prefix="mvc-import-") as place:
            progress = Progress(monitor, sum(bool(step.new) for step in steps))
            content = CachedContent(
                os.path.join(place, "files"), partial(progress.advance, versions=0)
            )
            try:
                versions, tip = self._write(steps, known, lines, content, progress)
            finally:
                progress.finish()
        named = target.name(self._names(versions, tip), lines.names, f"import hf {source}")
        self._notes += [
            f"branch {line} holds versions that no ref of the cache reaches" for line in named.kept
        ]
        size = sum(content.bytes_by_digest.values()) + self._loose_bytes
        return ImportResult(
            "hf", source, repo.root, self._made, len(known),
            tuple(named.branches), tuple(named.tags), {"the cache": size},
            max(0, store_bytes(repo) - start), tuple(named.renamed), tuple(named.left.items()),
            tuple(absent), tuple(sorted(self._left_out.items())), tuple(self._notes),
            named.checkout,
        )  # fmt: skip

    def _step(self, snapshot: HfSnapshot, known: Mapping[str, str]) -> _Step:
        version, paths = known.get(snapshot.commit), set[str]()
        if version is not None:
            paths = {file.path for file in self._target.repo.ls(version)}
        self._left_out |= snapshot.left_out
        new = {path: item for path, item in snapshot.files.items() if path not in paths}
        lacking = [lack for lack in snapshot.lacking if lack.path not in paths]
        return _Step(snapshot, version, paths, new, lacking)

    def _missing(self, absent: list[AbsentContent]) -> Failure:
        """Says what is not there, and how it comes."""
        cache = self._cache
        shown = [f"{a.path} ({a.digest}, commit {a.commit[:12]})" for a in absent]
        shown += [f"blobs/{name} is a download that did not end" for name in cache.unfinished]
        more = len(shown) - _SHOWN_FILES
        words = ["hf", "download", cache.id]
        words += ["--repo-type", cache.type] if cache.type != "model" else []
        words += ["--revision", absent[0].commit] if absent else []
        error = Failure(
            f"{len(shown)} {'file is' if len(shown) == 1 else 'files are'} not whole in the cache",
            kind="missing-content",
            cause="; ".join(shown[:_SHOWN_FILES]) + (f"; and {more} more" if more > 0 else ""),
            help=f"{' '.join(words)}  (or --allow-missing, which imports the snapshots without them)",
        )
        error.more = {
            "absent": [{"path": a.path, "digest": a.digest, "commit": a.commit} for a in absent],
            "unfinished": list(cache.unfinished),
        }
        return error

    # ---------------------------------------------------------------- versions

    def _write(
        self,
        steps: list[_Step],
        known: Mapping[str, str],
        lines: ImportLines,
        content: CachedContent,
        progress: Progress,
    ) -> tuple[dict[str, str], str | None]:
        """Makes the versions that are not here; all of them, by commit, and the last of the line."""
        versions, tip = dict(known), self._target.newest(known.values())
        for step in steps:  # what came before need not be compared again
            if step.version is not None:
                there = step.snapshot.files.items()
                content.remember(step.version, [one for one in there if one[0] in step.paths])
        for step in steps:
            if step.new:
                tip = versions[step.snapshot.commit] = self._version(step, tip, lines, content)
                progress.advance(0)
        loose = sum(isinstance(item, str) for step in steps for item in step.new.values())
        if loose:
            are = "file was" if loose == 1 else "files were"
            self._notes.append(f"{loose} {are} not compared: the cache does not say the digest")
        return versions, tip

    def _version(
        self, step: _Step, tip: str | None, lines: ImportLines, content: CachedContent
    ) -> str:
        content.begin()
        files: dict[str, Source] = {}
        for path, item in step.new.items():
            if isinstance(item, CachedFile):
                files[path] = content.stored(path, item)
            else:
                files[path] = item
                self._loose_bytes += os.stat(item).st_size
        if step.version is not None:
            files |= {path: (step.version, path) for path in step.paths}
        snapshot = step.snapshot
        record = ImportRecord(self._target.repo.author, snapshot.time, self._message(step))
        parents = [tip] if tip else []
        done = lines.write(parents, files, record, origin=snapshot.commit, whole=True)
        try:
            content.require_unchanged()
        except BaseException:
            self._target.repo.undo()  # else the next run would take it for what the source has
            raise
        content.remember(done.version, step.new.items())
        self._left_out |= dict(done.skipped)
        self._made += 1
        return done.version

    def _message(self, step: _Step) -> str:
        commit, type = step.snapshot.commit, self._cache.type
        more = f", with {len(step.new)} more of its files" if step.version else ""
        what = {"dataset": "data set"}.get(type, type)
        return f"{self._cache.id} {commit[:12]}\n\nHugging Face {what}, commit {commit}{more}"

    # ---------------------------------------------------------------- names

    def _names(self, versions: Mapping[str, str], tip: str | None) -> Names:
        """`main` is a branch; what others are, the cache does not say: tags, which stay where they are."""
        names = Names(head=BRANCH)
        for ref, commit in self._cache.refs.items():
            if (version := versions.get(commit)) is None:
                self._notes.append(f"{ref} is at commit {commit[:12]}, of which there are no files")
            elif ref == BRANCH:
                names.branches[ref] = version
            else:
                names.tags[ref] = version, ""
        if BRANCH not in names.branches and tip is not None:
            names.branches[BRANCH] = tip
            self._notes.append(f"no snapshot is that of {BRANCH}, which is at the newest here")
        return names
