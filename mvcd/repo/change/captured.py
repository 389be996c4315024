"""Making a version of a capture: HEAD's version, or its branch's, edited by what was taken.

What the workspace holds by now does not matter. The files are read from where the capture keeps them, without
the workspace lock, so that training programs and verbs go on; the lock is held for the last step. A file of
which a hard link was made may still be rewritten in place, and one that could not be taken may change at all:
after everything was read its stats must be those it was taken with, else its set is *broken* and no version
is made of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mvcd.errors import Failure, MissingObject, StaleReuse
from mvcd.ids import VersionId
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, SubPart, Trigger, Version
from mvcd.repo.change import commit
from mvcd.repo.change.captures import Capture, Captures, Taken, digest_of
from mvcd.repo.change.commit import CommitTarget
from mvcd.repo.compare.diff import diff_sides
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.ondisk.keeping import Kept, alike
from mvcd.repo.ondisk.statcache import FINE_SLACK_NS, FileStat
from mvcd.repo.records.committed import CommitResult, Context
from mvcd.repo.records.differences import Diff
from mvcd.repo.records.refs import EMPTY_ID, HEADS, HeadValue, target_of
from mvcd.repo.records.standing import Head
from mvcd.repo.workspace.found import CacheRows, Candidate, CandidateState
from mvcd.repo.workspace.left_out import kept
from mvcd.repo.workspace.scan import CandidateOutcome, Scan
from mvcd.repo.workspace.settings import wanted_digests
from mvcd.repo.workspace.snapshot import Snapshot
from mvcd.repo.workspace.workspace import Known, ScannedWorkspace
from mvcd.store.api import Session

_MAX_ATTEMPTS = 3
"""Tries when the branch moved while the files were read (the second holds the lock), or a collection took
away what was to be reused."""


class Broken(Exception):
    """Sets whose files are not as they were taken, by name: why."""

    def __init__(self, sets: Mapping[str, str]) -> None:
        super().__init__(", ".join(sorted(sets)))
        self.sets = dict(sets)


class _Overtaken(Exception):
    """The branch moved while the files were read."""


@dataclass(frozen=True, slots=True)
class SavedCapture:
    """What became of a capture. `result` is None where version `number` had all of it already."""

    version: VersionId
    number: int
    result: CommitResult | None = None


Describe = Callable[[Diff], str]


def save(
    core: Core,
    captures: Captures,
    capture: Capture,
    *,
    context: Context,
    describe: Describe,
    confirm: Callable[[], Mapping[str, str]] = dict,
) -> SavedCapture:
    """Stores a queued capture as a version, durably, and removes it.

    `context.time_us` is the time of the operation; the version's is that of the capture. `confirm` is asked
    when all is read: sets that must not be saved after all, with the reason. Raises Broken; then nothing was
    saved, and the capture is as it was.
    """
    for attempt in range(_MAX_ATTEMPTS):
        with contextlib.ExitStack() as stack:
            if attempt:
                stack.enter_context(core.lock.hold())
            try:
                saved = _Save(core, captures, capture, context, describe, confirm).run()
            except (StaleReuse, _Overtaken):
                if attempt == _MAX_ATTEMPTS - 1:
                    raise
                continue
            return saved
    raise AssertionError("unreachable")


class _Save:
    """One attempt."""

    def __init__(
        self,
        core: Core,
        captures: Captures,
        capture: Capture,
        context: Context,
        describe: Describe,
        confirm: Callable[[], Mapping[str, str]],
    ) -> None:
        self._core = core
        self._captures = captures
        self._capture = capture
        self._files = sorted(capture.files, key=lambda file: file.path)
        self._context = context
        self._describe = describe
        self._confirm = confirm

    def run(self) -> SavedCapture:
        core = self._core
        head, here = where(core, self._capture)
        parent = core.version(head.version)
        with core.store.session() as session:
            workspace = ScannedWorkspace(core)
            same_rules = workspace.known.id == head.version and workspace.known.same_rules
            known = Known(head.version, parent, same_rules)
            session.missing([i for i in (head.version,) if i != EMPTY_ID])
            target = StoreTarget(core.store, session)
            snapshot = self._read(workspace, known, target)
            with core.lock.hold():
                if where(core, self._capture) != (head, here):
                    raise _Overtaken
                self._prove(snapshot)
                now = ScannedWorkspace(core)
                if commit.same_content(snapshot.version, parent):
                    core.store.cache_put(self._rows(now, head, here, head.version, snapshot))
                    saved = SavedCapture(head.version, head.number)
                else:
                    saved = self._record(session, target, snapshot, now, head, here)
                self._release(saved.version)
        return saved

    # ---------------------------------------------------------------- reading

    def _read(self, workspace: ScannedWorkspace, known: Known, target: StoreTarget) -> Snapshot:
        core = self._core
        if torn := self._torn():
            raise Broken(torn)
        bases = commit.bases_of(core, known.version, workspace.settings)
        snapshotter = workspace.snapshotter(
            bases.for_path,
            _Kept(self._captures.place(self._capture), core.root, self._capture),
            wanted_digests(workspace.settings),
        )
        scan = Scan(
            [Candidate(f.path, f.stat, CandidateState.NEW) for f in self._files],
            sorted(self._capture.gone), (), False, 0, core.clock(), {}, (),
        )  # fmt: skip
        try:
            snapshot = snapshotter.take(known, scan, workspace.tracked, target)
        except Failure as failure:
            if failure.kind not in ("unstable-file", "vanished-file", "unreadable-file"):
                raise
            broken = self._moved()
            if not broken:
                raise
            raise Broken(broken) from failure
        snapshot.unfound_bases = bases.unfound
        return snapshot

    def _prove(self, snapshot: Snapshot) -> None:
        """All bytes that were read are those that were taken. Raises Broken."""
        settled = {
            file.path for file, held in zip(self._files, snapshot.settled, strict=True) if held
        }
        broken = {
            found.name: f"{file.path} changed while it was read"
            for found in self._capture.sets
            for file in found.files
            if file.path not in settled
        }
        broken |= self._moved()
        broken |= self._confirm()
        if broken:
            raise Broken(broken)

    def _torn(self) -> dict[str, str]:
        """Sets of whose copies a power cut left less than was taken: nothing of a capture is flushed."""
        broken: dict[str, str] = {}
        place = self._captures.place(self._capture)
        for found in self._capture.sets:
            for file in found.files:
                if file.kept in (Kept.COPY, Kept.REFLINK) and not _whole(place, file):
                    broken.setdefault(found.name, f"the copy of {file.path} was lost")
        return broken

    def _moved(self) -> dict[str, str]:
        """Sets with a file that is not as it was taken, by its stats as they are now."""
        broken: dict[str, str] = {}
        place = self._captures.place(self._capture)
        for found in self._capture.sets:
            for file in found.files:
                if file.kept is Kept.LINK:
                    now = FileStat.at(os.path.join(place, file.at))
                    moved = now is None or not alike(now, file.stat)
                elif file.kept is Kept.NONE:
                    moved = FileStat.at(os.path.join(self._core.root, file.path)) != file.stat
                else:
                    continue
                if moved:
                    broken.setdefault(found.name, f"{file.path} was rewritten before it was read")
        return broken

    # ---------------------------------------------------------------- recording

    def _record(
        self,
        session: Session,
        target: StoreTarget,
        snapshot: Snapshot,
        now: ScannedWorkspace,
        head: Head,
        here: bool,
    ) -> SavedCapture:
        core, context = self._core, self._context
        parent = core.version(head.version)
        session.flush()  # so that the new side can be read: its files may be gone from the workspace
        diff = diff_sides(
            Sides(
                Side(head.version, parent, snapshot.fetch),
                Side(None, snapshot.version, snapshot.fetch),
            )
        )
        message = self._describe(diff)
        taken = replace(context, time_us=self._capture.taken_us)
        version = commit.derived(snapshot.version, head, message, Trigger.AUTO, taken)
        place = commit.place_for(core, head)
        if not here:
            place = CommitTarget(place.branch, place.started, [])
        data = version.encode()
        id = VersionId.of(data)
        stored = target.put_object(id, data)
        core.record(
            context,
            "auto",
            f"commit v{version.generation} {commit.first_line(message)}",
            [*place.updates, commit.advance(core, place, head, id)],
            session=session,
            cache=self._rows(now, head, here, id, snapshot) | snapshot.cache,
        )
        result = commit.committed(
            id,
            version,
            parent,
            place,
            bytes_changed=snapshot.bytes_changed,
            bytes_new=snapshot.bytes_new,
            bytes_stored=snapshot.bytes_stored + stored,
            skipped=tuple(now.scan.skipped),
            unfound_bases=snapshot.unfound_bases,
        )
        return SavedCapture(id, version.generation, result)

    def _rows(
        self, now: ScannedWorkspace, head: Head, here: bool, id: VersionId, snapshot: Snapshot
    ) -> CacheRows:
        """Rows that describe the workspace against version `id`: none if it stands elsewhere, or if what it
        was compared with is not the parent."""
        if not here or not (now.scan.fresh or now.known.id == head.version):
            return CacheRows()
        shown = {c.path: c.stat for c in now.scan.candidates}
        taken = {f.path: f.stat for f in self._capture.files}
        settled = {p: CandidateOutcome.CLEAN for p, stat in taken.items() if shown.get(p) == stat}
        missing = set(now.scan.vanished).difference(self._capture.gone)
        unseen = {p for p in taken.keys() - shown.keys() if not now.scan.unreadable.above(p)}
        clean = {
            p
            for p in unseen.union(self._capture.gone).difference(shown)
            if os.path.lexists(os.path.join(self._core.root, p))
        }
        if self._edits(clean, head, snapshot):
            return (
                CacheRows()
            )  # a version by hand had a later state, and the workspace is as that has it
        missing |= unseen - clean
        if now.scan.fresh:
            missing = set(_gone_of(snapshot.version, snapshot.fetch, shown, now.left_out))
        return now.rows(id, settled, missing)

    def _edits(self, paths: Collection[str], head: Head, snapshot: Snapshot) -> bool:
        """Whether the version has any of these otherwise than its parent."""
        parent = VersionFiles(self._core.version(head.version), snapshot.fetch).lookup(paths)
        return parent != VersionFiles(snapshot.version, snapshot.fetch).lookup(paths)

    # ---------------------------------------------------------------- afterwards

    def _release(self, id: VersionId) -> None:
        """Removes the capture. That takes links away, which is a change of the originals' inodes: what was
        not touched before is noted as clean again, so that no status reads it once more."""
        place = self._captures.place(self._capture)
        untouched = {
            f.path: f.stat
            for f in self._capture.files
            if f.kept is Kept.LINK and FileStat.at(os.path.join(place, f.at)) == f.stat
        }
        self._captures.drop(self._capture)
        if not untouched:
            return
        time.sleep(FINE_SLACK_NS / 1e9)  # a stamp of this very moment would prove nothing
        now = ScannedWorkspace(self._core)
        if now.scan.fresh or now.known.id != id:
            return
        settled: dict[str, CandidateOutcome] = {}
        for candidate in now.scan.candidates:
            before = untouched.get(candidate.path)
            if before is not None and alike(candidate.stat, before):
                settled[candidate.path] = CandidateOutcome.CLEAN
        self._core.store.cache_put(now.rows(id, settled, now.scan.vanished))


class _Kept:
    """Where a capture keeps its files."""

    def __init__(self, place: str, root: str, capture: Capture) -> None:
        self._place = os.path.relpath(place, root)
        self._files = {f.path: f for f in capture.files}

    def at(self, path: str) -> str:
        file = self._files[path]
        return os.path.join(self._place, file.at) if file.at else ""

    def data(self, path: str) -> None:
        """All lie in files."""

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:
        kept = self._files[candidate.path].kept
        if kept is Kept.LINK:
            return alike(read, candidate.stat)
        return kept is not Kept.NONE or read == candidate.stat


def _whole(place: str, file: Taken) -> bool:
    """A reflink has all of its bytes or no length; the bytes of a copy are told by their digest (captures that
    earlier versions queued have none)."""
    path = os.path.join(place, file.at)
    now = FileStat.at(path)
    if now is None or (now.size, now.is_symlink) != (file.stat.size, file.stat.is_symlink):
        return False
    return not file.digest or digest_of(path) == file.digest


def where(core: Core, capture: Capture) -> tuple[Head, bool]:
    """The version that a capture goes on from, as the branch is now, and whether the workspace stands there.

    A capture belongs to the branch on which it was taken, wherever HEAD went meanwhile. Where that branch is
    gone, it goes on from the version that was its base, on a branch of its own.
    """
    value, here = capture.head, core.head_value() == capture.head
    if value.branch is not None:
        tip = core.store.ref(f"{HEADS}{value.branch}")
        id = EMPTY_ID if tip is None else target_of(tip)
        if tip is not None or here or capture.base == EMPTY_ID:
            return Head(value.branch, id, core.version(id).generation), here
    with contextlib.suppress(MissingObject):
        return Head(None, capture.base, core.version(capture.base).generation), here
    return core.head(), True  # its base was collected


def follow_head(captures: Captures, old: HeadValue, branch: str) -> None:
    """A branch was started for a capture taken on an old version: those taken after it go there too."""
    for capture in captures.queued():
        if capture.head == old:
            captures.rewrite(replace(capture, head=HeadValue(branch)))


def _gone_of(
    version: Version, fetch: Fetch, shown: Collection[str], out: Collection[Component | SubPart]
) -> list[str]:
    """What a version has, but for components left `out`, and a fresh scan does not show."""
    found = kept(VersionFiles(version, fetch), out)
    return sorted({p.entry.path for p in found}.difference(shown))


def gone(core: Core, scan: Scan) -> Sequence[str]:
    """Finds files that HEAD's version has and the workspace has not, also after a scan without the cache."""
    if not scan.fresh:
        return _had(core, scan.vanished)
    version = core.version(core.head().version)
    shown = {c.path for c in scan.candidates}
    missing = _gone_of(version, core.fetch, shown, core.left_out())
    return [path for path in missing if scan.unreadable.above(path) is None]


def _had(core: Core, vanished: Sequence[str]) -> Sequence[str]:
    """Returns what HEAD's version has of what vanished since the last scan; the rest came and went between
    two."""
    if not vanished:
        return vanished
    found = VersionFiles(core.version(core.head().version), core.fetch).lookup(vanished)
    return [path for path in vanished if path in found]
