"""The state of a workspace as an unsaved version: what commit stores, and what diff and status compare.

The stat cache describes the files of one version, the *known* one, as they lay on disk (statcache.py). So a
snapshot is that version's manifests, edited by what the scan could not vouch for: files new or touched, and
files gone. Neither time nor memory grows with the files that did not change. What cannot be read stays as
HEAD's version has it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from mvcd.ids import Digest
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.kinds import ContentKind
from mvcd.inspect.recorded import Recorded
from mvcd.inspect.trainingstate import SubPart
from mvcd.objects.entry import Entry
from mvcd.objects.manifest import edit_manifest
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, ComponentRoot, Version
from mvcd.repo.contents import flatvalues
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.ingest import Bases, Ingest, Ingested, Source, Target, no_bases
from mvcd.repo.intake.recut import as_before
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import Unreadable
from mvcd.repo.workspace.candidates import Candidate
from mvcd.repo.workspace.left_out import is_out
from mvcd.repo.workspace.recording import Recording
from mvcd.repo.workspace.scan import Scan
from mvcd.repo.workspace.sorting import Kinds, PartSorter


@dataclass(slots=True)
class Snapshot:
    """An unsaved version and what it cost. `version` has components, values and tracked paths only."""

    version: Version
    fetch: Fetch  # reads the version's nodes and recipes, stored yet or not
    settled: set[str] = field(default_factory=set)  # files read that are still as they were scanned
    bytes_changed: int = 0  # raw bytes of files whose content is new or changed
    bytes_new: int = 0
    bytes_stored: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)  # found while reading, and why
    kept: set[str] = field(
        default_factory=set
    )  # what HEAD's version has and the known one did not tell
    cache: dict[bytes, bytes | None] = field(default_factory=dict)
    unparsed: tuple[
        tuple[str, str], ...
    ] = ()  # whose settings or metrics are not understood, and why


class KnownVersion(Protocol):
    """The version a stat cache describes, and whether today's component rules sorted its files."""

    @property
    def version(self) -> Version: ...
    @property
    def same_rules(self) -> bool: ...


class CandidatePlaces(Protocol):
    """Where the bytes of candidates lie, and whether they still were those of the candidate when read."""

    def at(self, path: str) -> str:
        """Relative to the root; "" is the path itself."""

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:
        """`read`: the stats under which the bytes were read."""


class InPlace:
    """In the workspace."""

    def at(self, path: str) -> str:  # noqa: ARG002
        return ""

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:
        return read == candidate.stat


Edits = dict[Component, dict[str, Entry | None]]
"""By component and path: the entry that a file gets, or None where it goes."""


class Snapshotter:
    """Reads the candidates of a scan into a target and edits the known version's manifests."""

    def __init__(
        self,
        core: Core,
        rules: ComponentRules,
        fetch: Fetch,
        *,
        bases: Bases = no_bases,
        left_out: Collection[Component | SubPart] = (),
        places: CandidatePlaces | None = None,
    ) -> None:
        self._core = core
        self._left_out = left_out
        self._places = places or InPlace()
        self._rules = rules
        self._fetch = fetch
        self._bases = bases

    def take(
        self, known: KnownVersion, scan: Scan, tracked: Sequence[str], target: Target
    ) -> Snapshot:
        """`known` is the version that the scan's cache rows describe."""
        version = known.version
        files = VersionFiles(version, self._fetch)
        paths = [c.path for c in scan.candidates]
        before = files.lookup({*paths, *scan.vanished})
        through = _Through(target, self._fetch)
        result = Snapshot(replace(version, tracked=tuple(tracked)), through)
        edits: Edits = {c: {} for c in Component}
        read = self._read(scan, before, target, result)
        kinds = Kinds(self._core.store, through)
        came = [path for path in paths if path not in result.unreadable]
        sorter = PartSorter(self._rules, version, self._fetch, kinds, came, scan.vanished)
        for file in read:
            sorter.note(file.entry.path, file.kind)
        if known.same_rules:
            for placed, component in sorter.neighbours(before):
                self._move(placed, component, edits)
        else:
            self._reroute(files, sorter, {*paths, *scan.vanished}, edits)
        for path in scan.vanished:
            if path in before:
                edits[before[path].component][path] = None
        parsed: dict[str, Recorded] = {}
        for file in read:
            self._account(file, sorter, before, edits, result, parsed)
        self._keep(version, scan.unreadable | result.unreadable, sorter, edits, result)
        result.cache |= kinds.read
        components = dict(version.components)
        for component, changes in edits.items():
            if changes:
                components[component] = self._edit(version, component, changes, target)
        draft = replace(result.version, components=components)
        recording = Recording(self._core, through, self._left_out, parsed, result.cache)
        told = recording.tell(draft, version)
        result.unparsed = told.problems
        result.version = replace(draft, hyperparameters=told.hyperparameters, metrics=told.metrics)
        return result

    def _read(
        self, scan: Scan, before: Mapping[str, Placed], target: Target, result: Snapshot
    ) -> list[_Read]:
        """All candidates that can be read. What they tell is parsed as it comes, so that no file is kept."""
        read = []
        candidates = iter(scan.candidates)
        for ingested in as_before(
            self._ingest(scan.candidates, target, result),
            lambda path: before[path].entry if path in before else None,
            self._fetch,
            target,
            lambda path: os.path.join(self._core.root, self._places.at(path) or path),
        ):
            candidate = next(c for c in candidates if c.path == ingested.path)
            if self._places.held_still(candidate, ingested.stat):
                result.settled.add(ingested.path)
            read.append(_Read.of(ingested, self._rules))
        return read

    def _move(self, placed: Placed, component: Component, edits: Edits) -> None:
        path = placed.entry.path
        if component is not placed.component and not self._is_left_out(placed):
            edits[placed.component][path] = None
            edits[component][path] = None if reserved(path) else placed.entry

    def _reroute(
        self, files: VersionFiles, sorter: PartSorter, others: Collection[str], edits: Edits
    ) -> None:
        """Moves entries whose component changed with the rules of `mvc.toml`, or with ours; not `others`, which
        are sorted as they are read."""
        for placed in files.all():
            if placed.entry.path not in others and not self._is_left_out(placed):
                self._move(placed, sorter.component_of_entry(placed), edits)

    def _keep(
        self,
        known: Version,
        unreadable: Unreadable,
        sorter: PartSorter,
        edits: Edits,
        result: Snapshot,
    ) -> None:
        """What cannot be read is as HEAD's version has it, also where another one is known."""
        if not unreadable or known == (head := self._core.version(self._core.head().version)):
            return
        for path in unreadable.reasons:
            for placed in VersionFiles(known, self._fetch).all(prefix=path):
                edits[placed.component][placed.entry.path] = None
            for placed in VersionFiles(head, self._fetch).all(prefix=path):
                kept = placed.entry.path
                edits[sorter.component_of_entry(placed)][kept] = placed.entry
                result.kept.add(kept)

    def _is_left_out(self, placed: Placed) -> bool:
        return is_out(placed, self._left_out) and not os.path.lexists(
            os.path.join(self._core.root, placed.entry.path)
        )

    def _ingest(
        self, candidates: Sequence[Candidate], target: Target, result: Snapshot
    ) -> Iterable[Ingested]:
        sources = [self._source(c) for c in candidates]
        self._core.monitor.begin(
            "snapshot", total_bytes=sum(s.stat.size for s in sources), total_items=len(sources)
        )
        try:
            with Ingest(
                self._core.root,
                target,
                monitor=self._core.monitor,
                bases=self._bases,
                unread=result.unreadable,
            ) as ingest:
                yield from ingest.run(sources)
                result.bytes_new += ingest.bytes_new
                result.bytes_stored += ingest.bytes_stored
        finally:
            self._core.monitor.finish()

    def _source(self, candidate: Candidate) -> Source:
        path, stat = candidate.path, candidate.stat
        reader = None
        if flatvalues.may_carry_values(path) and not stat.is_symlink:
            component = self._rules.component_of(path)
            if flatvalues.carries_values(component, path, stat.size):
                reader = partial(flatvalues.parse_file, component, path)
        looks = not self._rules.names_decide(path)
        return Source(path, stat, reader, looks, self._places.at(path))

    def _account(
        self,
        file: _Read,
        sorter: PartSorter,
        before: Mapping[str, Placed],
        edits: Edits,
        result: Snapshot,
        parsed: dict[str, Recorded],
    ) -> None:
        entry, path = file.entry, file.entry.path
        component = sorter.component(path, file.kind)
        if (
            file.told is not None
            and file.named is not None
            and flatvalues.reads_alike(path, file.named, component)
        ):
            parsed[path] = file.told
            key = flatvalues.cache_key(component, path, entry.recipe)
            result.cache[key] = flatvalues.pack(file.told)
        old = before.get(path)
        if old is not None and old.entry == entry and old.component is component:
            return
        if old is not None and old.component is not component:
            edits[old.component][path] = None
        edits[component][path] = entry
        if old is None or old.entry.recipe != entry.recipe:
            result.bytes_changed += entry.size

    def _edit(
        self,
        known: Version,
        component: Component,
        changes: Mapping[str, Entry | None],
        target: Target,
    ) -> ComponentRoot:
        def sink(id: Digest, data: bytes) -> None:
            target.put_object(id, data)

        return edit_manifest(known.components[component].root, changes, self._fetch, sink)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read: its entry, its kind, and what it records, read as one of `named`, the component
    that its name says."""

    entry: Entry
    kind: ContentKind
    named: Component | None = None
    told: Recorded | None = None

    @classmethod
    def of(cls, ingested: Ingested, rules: ComponentRules) -> _Read:
        path = ingested.path
        entry = Entry(path, ingested.mode, ingested.size, ingested.recipe)
        if not isinstance(ingested.told, Recorded):
            return cls(entry, ingested.kind)
        return cls(entry, ingested.kind, rules.component_of(path), ingested.told)


class _Through:
    """Fetches what a target has just been given, else from below."""

    def __init__(self, target: Target, fetch: Fetch) -> None:
        self._target = target
        self._fetch = fetch

    def __call__(self, id: Digest) -> bytes:
        data = self._target.recent(id)
        return self._fetch(id) if data is None else data
