"""The state of a workspace as an unsaved version: what commit stores, and what diff and status compare.

The stat cache describes the files of one version, the *known* one, as they lay on disk (statcache.py). So a
snapshot is that version's manifests, edited by what the scan could not vouch for: files new or touched, and
files gone. Neither time nor memory grows with the files that did not change. What cannot be read stays as
HEAD's version has it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Protocol

from mvcd.ids import Digest
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.kinds import UNKNOWN, ContentKind
from mvcd.inspect.recorded import Recorded
from mvcd.lateclasses import dataclass
from mvcd.objects.entry import Entry
from mvcd.objects.manifest import edit_in_order
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, ComponentRoot, SubPart, Version
from mvcd.repo.contents import flatvalues
from mvcd.repo.contents.digests import DigestAlgorithm, rows
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.ingest import SMALL_FILE_BYTES, Ingest
from mvcd.repo.intake.loading import Bases, Ingested, Source, no_bases
from mvcd.repo.intake.recut import as_before
from mvcd.repo.intake.targets import Target
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import Unreadable
from mvcd.repo.workspace.filesread import FilesRead, with_others
from mvcd.repo.workspace.found import Candidate, Candidates, paths_of, sizes_of
from mvcd.repo.workspace.left_out import is_out
from mvcd.repo.workspace.recording import Recording
from mvcd.repo.workspace.scan import Scan
from mvcd.repo.workspace.sorting import AllCame, Came, Kinds, PartSorter, PathsCame, may_tie


@dataclass(slots=True)
class Snapshot:
    """An unsaved version and what it cost. `version` has components, values and tracked paths only."""

    version: Version
    fetch: Fetch  # reads the version's nodes and recipes, stored yet or not
    settled: bytearray = field(
        default_factory=bytearray
    )  # for each candidate: 1 if it was read and is still as it was scanned
    links: list[str] = field(default_factory=list)  # those of them that are symbolic links
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
    unfound_bases: tuple[
        tuple[str, str], ...
    ] = ()  # lines of [bases] in mvc.toml that were of no use, and why


class KnownVersion(Protocol):
    """The version a stat cache describes, and whether today's component rules sorted its files."""

    @property
    def version(self) -> Version: ...
    @property
    def same_rules(self) -> bool: ...


class CandidatePlaces(Protocol):
    """Where the bytes of candidates lie, and whether they still were those of the candidate when read."""

    def at(self, path: str) -> str:
        """Relative to the root, or absolute; "" is the path itself."""

    def data(self, path: str) -> bytes | None:
        """The bytes themselves, where they lie in no file."""

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:
        """`read`: the stats under which the bytes were read."""


class InPlace:
    """In the workspace."""

    def at(self, path: str) -> str:  # noqa: ARG002
        return ""

    def data(self, path: str) -> None:
        """All lie in files."""

    def held_still(self, candidate: Candidate, read: FileStat) -> bool:
        return read == candidate.stat


Edits = dict[Component, dict[str, Entry | None]]
"""By component and path, of files that were not read: the entry that a file gets, or None where it goes."""


class Snapshotter:
    """Reads the candidates of a scan into a target and edits the known version's manifests."""

    def __init__(
        self,
        core: Core,
        rules: ComponentRules,
        fetch: Fetch,
        head: Version,
        *,
        bases: Bases = no_bases,
        left_out: Collection[Component | SubPart] = (),
        places: CandidatePlaces | None = None,
        main: Sequence[str] = (),
        digests: Collection[DigestAlgorithm] = (),
    ) -> None:
        """`head`: the version that the new one follows, whatever version is known. `main`: globs of the files
        whose metrics have the short names."""
        self._core = core
        self._head, self._main = head, main
        self._digests = digests
        self._left_out = left_out
        self._places = places or InPlace()
        self._rules = rules
        self._fetch = fetch
        self._bases = bases

    def take(
        self,
        known: KnownVersion,
        scan: Scan,
        tracked: Sequence[str],
        target: Target,
        entries: Mapping[str, Entry] = MappingProxyType({}),
    ) -> Snapshot:
        """`known` is the version that the scan's cache rows describe. `entries` come too, by path: their
        content is known."""
        version = known.version
        files = VersionFiles(version, self._fetch)
        candidates = scan.candidates
        before: dict[str, Placed] = {}
        if any(root.root is not None for root in version.components.values()):
            before = files.lookup({*paths_of(candidates), *entries, *scan.vanished})
        through = _Through(target, self._fetch)
        result = Snapshot(replace(version, tracked=tuple(tracked)), through)
        others: Edits = {c: {} for c in Component}
        read = self._read(candidates, before, target, result)
        kinds = Kinds(self._core.store, through)
        came = self._came(candidates, entries, result.unreadable)
        sorter = PartSorter(self._rules, version, self._fetch, kinds, came, scan.vanished)
        placed_now = [(entry, self._kind(entry, kinds)) for entry in entries.values()]
        ties = {entry.path: kind for entry, kind in placed_now if may_tie(entry.path)}
        for path, kind in (read.ties | ties).items():
            sorter.note(path, kind)
        if known.same_rules:
            for placed, component in sorter.neighbours(before):
                self._move(placed, component, others)
        else:
            self._reroute(files, sorter, {*came, *result.unreadable, *scan.vanished}, others)
        for path in scan.vanished:
            if path in before:
                others[before[path].component][path] = None
        parsed = self._account(read, sorter, before, others, result)
        for entry, kind in placed_now:
            component = sorter.component(entry.path, kind)
            if self._differs(entry, component, before, others, result):
                others[component][entry.path] = entry
        self._keep(version, scan.unreadable | result.unreadable, sorter, others, result)
        result.cache |= kinds.read
        components = dict(version.components)
        for component in Component:
            if others[component] or read.brings(component):
                changes = with_others(read.edits(component), others[component])
                components[component] = self._edit(version, component, changes, target)
        draft = replace(result.version, components=components)
        recording = Recording(
            self._core, through, self._left_out, self._head, self._main, parsed, result.cache
        )
        told = recording.tell(draft, version)
        result.unparsed = told.problems
        result.version = replace(draft, hyperparameters=told.hyperparameters, metrics=told.metrics)
        return result

    def _came(
        self,
        candidates: Collection[Candidate],
        entries: Collection[str],
        unreadable: Collection[str],
    ) -> Came:
        if isinstance(candidates, Candidates) and not unreadable and not entries:
            return AllCame(candidates)
        paths = chain(paths_of(candidates), entries)
        return PathsCame(path for path in paths if path not in unreadable)

    def _read(
        self,
        candidates: Collection[Candidate],
        before: Mapping[str, Placed],
        target: Target,
        result: Snapshot,
    ) -> FilesRead:
        """All candidates that can be read. What they tell is parsed as it comes, so that no file is kept."""
        read = FilesRead(candidates, self._rules)
        result.settled = bytearray(len(candidates))
        begun: deque[tuple[int, Candidate]] = deque()  # whose results have not come
        results = self._ingest(candidates, begun, target, result)
        if before:
            results = as_before(
                results,
                lambda path: before[path].entry if path in before else None,
                self._fetch,
                target,
                self._place,
            )
        in_place, settled = isinstance(self._places, InPlace), result.settled
        for ingested in results:
            place, candidate = begun.popleft()
            while candidate.path != ingested.path:  # could not be read
                place, candidate = begun.popleft()
            if (
                ingested.stat == candidate.stat
                if in_place
                else self._places.held_still(candidate, ingested.stat)
            ):
                settled[place] = 1
                if candidate.stat.is_symlink:
                    result.links.append(candidate.path)
            if ingested.digests:
                result.cache |= rows(ingested.recipe, ingested.digests)
            read.put(place, candidate, ingested)
        return read

    def _kind(self, entry: Entry, kinds: Kinds) -> ContentKind:
        """Of a file that is not read now; where its content is not here, its name has to do."""
        return UNKNOWN if self._rules.names_decide(entry.path) else kinds.of(entry) or UNKNOWN

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
        if not unreadable or known == self._head:
            return
        for path in unreadable.reasons:
            for placed in VersionFiles(known, self._fetch).all(prefix=path):
                edits[placed.component][placed.entry.path] = None
            for placed in VersionFiles(self._head, self._fetch).all(prefix=path):
                kept = placed.entry.path
                edits[sorter.component_of_entry(placed)][kept] = placed.entry
                result.kept.add(kept)

    def _is_left_out(self, placed: Placed) -> bool:
        return is_out(placed, self._left_out) and not os.path.lexists(
            os.path.join(self._core.root, placed.entry.path)
        )

    def _ingest(
        self,
        candidates: Collection[Candidate],
        begun: deque[tuple[int, Candidate]],
        target: Target,
        result: Snapshot,
    ) -> Iterable[Ingested]:
        total, large = 0, 0
        for size in sizes_of(candidates):
            total += size
            large += size > SMALL_FILE_BYTES
        self._core.monitor.begin("snapshot", total_bytes=total, total_items=len(candidates))
        if large > 1:
            from mvcd.repo.intake.copiesfirst import copies_first  # late: start-up

            ordered = copies_first(candidates, self._place)
        else:
            ordered = enumerate(candidates)
        try:
            with Ingest(
                self._core.root,
                target,
                monitor=self._core.monitor,
                bases=self._bases,
                unread=result.unreadable,
                digests=self._digests,
            ) as ingest:
                yield from ingest.run(self._sources(ordered, begun), several=large > 1)
                result.bytes_new += ingest.bytes_new
                result.bytes_stored += ingest.bytes_stored
        finally:
            self._core.monitor.finish()

    def _place(self, path: str) -> str | bytes:
        data = self._places.data(path)
        return (
            os.path.join(self._core.root, self._places.at(path) or path) if data is None else data
        )

    def _sources(
        self, ordered: Iterable[tuple[int, Candidate]], begun: deque[tuple[int, Candidate]]
    ) -> Iterator[Source]:
        for place, candidate in ordered:
            begun.append((place, candidate))
            yield self._source(candidate)

    def _source(self, candidate: Candidate) -> Source:
        path, stat = candidate.path, candidate.stat
        reader = None
        if flatvalues.may_carry_values(path) and not stat.is_symlink:
            component = self._rules.component_of(path)
            if flatvalues.carries_values(component, path, stat.size):
                reader = partial(flatvalues.parse_file, component, path)
        looks = not self._rules.names_decide(path)
        places = self._places
        if isinstance(places, InPlace):
            return Source(path, stat, reader, looks)
        return Source(path, stat, reader, looks, places.at(path), places.data(path))

    def _account(
        self,
        read: FilesRead,
        sorter: PartSorter,
        before: Mapping[str, Placed],
        others: Edits,
        result: Snapshot,
    ) -> dict[str, Recorded]:
        """Sorts what was read, and notes what differs from before. Returns what files record, by path."""
        parsed: dict[str, Recorded] = {}
        for place, entry, kind in read.files():
            path = entry.path
            component = sorter.component(path, kind)
            named, told = read.told(place)
            if told is not None and flatvalues.reads_alike(path, named, component):
                parsed[path] = told
                key = flatvalues.cache_key(component, path, entry.recipe)
                result.cache[key] = flatvalues.pack(told)
            if self._differs(entry, component, before, others, result):
                read.bring(place, component)
        return parsed

    def _differs(
        self,
        entry: Entry,
        component: Component,
        before: Mapping[str, Placed],
        others: Edits,
        result: Snapshot,
    ) -> bool:
        """Whether a file is to come into a component's list; where it was in another, it goes from there."""
        old = before.get(entry.path)
        if old is not None and old.entry == entry and old.component is component:
            return False
        if old is not None and old.component is not component:
            others[old.component][entry.path] = None
        if old is None or old.entry.recipe != entry.recipe:
            result.bytes_changed += entry.size
        return True

    def _edit(
        self,
        known: Version,
        component: Component,
        changes: Iterable[tuple[str, Entry | None]],
        target: Target,
    ) -> ComponentRoot:
        def sink(id: Digest, data: bytes) -> None:
            target.put_object(id, data)

        return edit_in_order(known.components[component].root, changes, self._fetch, sink)


class _Through:
    """Fetches what a target has just been given, else from below."""

    def __init__(self, target: Target, fetch: Fetch) -> None:
        self._target = target
        self._fetch = fetch

    def __call__(self, id: Digest) -> bytes:
        data = self._target.recent(id)
        return self._fetch(id) if data is None else data
