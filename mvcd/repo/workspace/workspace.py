"""The files under care: what the stat cache knows of them, and what differs from a version.

The cache rows of a workspace describe one version, the *known* one, named by the row `known/ID` together with
a digest of the component rules, and with the components that were left out (left_out.py). Commit and checkout
write rows and marker in one transaction; whoever finds no marker, or a version that is no longer here, scans
afresh: every file is read again, nothing is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from mvcd.errors import IntegrityError, UsageError
from mvcd.ids import DIGEST_BYTES, Digest, RecipeId, VersionId
from mvcd.inspect.kinds import UNKNOWN, ContentKind
from mvcd.lateclasses import NamedTuple
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Fetch
from mvcd.objects.version import EMPTY, Component, SubPart, Version
from mvcd.repo.contents.files import CachingFetch, Change, Placed, VersionFiles, changes
from mvcd.repo.core.core import Core
from mvcd.repo.ondisk.unreadable import Unreadable
from mvcd.repo.records.refs import EMPTY_ID, encode_components
from mvcd.repo.workspace import left_out
from mvcd.repo.workspace.found import CacheRows, Candidate, CandidateState, renames
from mvcd.repo.workspace.scan import CandidateOutcome, Outcomes, Scan, scan
from mvcd.repo.workspace.settings import (
    component_rules,
    followed_links,
    load,
    main_metrics,
    top_rules,
)

if TYPE_CHECKING:
    from mvcd.repo.contents.digests import DigestAlgorithm
    from mvcd.repo.intake.loading import Bases
    from mvcd.repo.workspace.snapshot import CandidatePlaces, Snapshotter


class Known(NamedTuple):
    """The version that the stat cache describes, and whether its files were sorted by today's rules."""

    id: VersionId
    version: Version
    same_rules: bool


_LOOKED_AT_FILES = 2000
"""Candidates whose first bytes status reads, to tell what part they are: 0.1 s."""

NOTHING_KNOWN = Known(EMPTY_ID, EMPTY, same_rules=True)


class ScannedWorkspace:
    """One look at the workspace: scanned once, so that all answers agree."""

    def __init__(self, core: Core, *, fresh: bool = False) -> None:
        """`fresh`: without the stat cache, so that nothing is taken for what it was."""
        self.core = core
        self.fetch = CachingFetch(core.fetch)
        self.tracked = core.tracked()
        self.left_out = core.left_out()
        self.settings = load(core.root)
        self.rules = component_rules(self.settings)
        marker = NOTHING_KNOWN if fresh else self._marked()
        if self.left_out and marker.id != core.head().version:
            marker = NOTHING_KNOWN  # its files that are left out are not those of HEAD
        found = self._scan(fresh=marker is NOTHING_KNOWN)
        if not found.fresh and self._out_of_step(marker, found.unreadable):
            found = self._scan(fresh=True)
        self._unread: dict[str, str] = {}
        self.known = self._only_left_out() if found.fresh else marker
        self.scan: Scan = self._without_left_out(found)

    def _scan(self, *, fresh: bool) -> Scan:
        return scan(
            self.core.root,
            tracked=self.tracked,
            workspace=self.core.workspace.encode(),
            rows=self.core.store.cache_get,
            now_ns=self.core.clock(),
            fresh=fresh,
            follow=followed_links(self.settings),
            top=top_rules(self.settings),
        )

    def _out_of_step(self, marker: Known, unreadable: Unreadable) -> bool:
        """Whether rows that nobody can check describe other files than HEAD's version has there."""
        head = self.core.head().version
        if not unreadable or marker.id == head:
            return False
        between = changes(marker.version, self.core.version(head), self.fetch)
        return any(map(unreadable.above, between))

    @property
    def unreadable(self) -> Unreadable:
        """What cannot be read, as far as it was tried; `unsaved` and the comparisons try all."""
        return self.scan.unreadable | self._unread

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(path, reason) of what is under care and no version can take now."""
        return tuple(sorted({*self.scan.skipped, *self._unread.items()}))

    @cached_property
    def clean(self) -> bool:
        """Whether every file that can be read is exactly as the known version has it."""
        return self.scan.clean and self.known.same_rules

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """New paths of files that were moved since the known version, by their old ones."""
        return renames(self.scan.gone, self.scan.candidates)

    def _only_left_out(self) -> Known:
        """What is known without the cache: what is left out is as HEAD has it."""
        if not self.left_out:
            return NOTHING_KNOWN
        head = self.core.version(self.core.head().version)
        lists = left_out.lists(self.left_out)
        return Known(EMPTY_ID, left_out.part(head, lists), same_rules=True)

    def _gone_models(self, here: Collection[str]) -> list[str]:
        """Where only training state is left out of the weights, all of them are taken for known: those that are
        not here, and not left out, are gone."""
        weights = VersionFiles(self.known.version, self.fetch).all([Component.WEIGHTS])
        kept = (p.entry.path for p in weights if not left_out.is_out(p, self.left_out))
        return sorted(path for path in kept if path not in here)

    def _without_left_out(self, found: Scan) -> Scan:
        if found.fresh and SubPart.STATE in self.left_out:
            return replace(found, vanished=self._gone_models({c.path for c in found.candidates}))
        if not self.left_out or not found.vanished:
            return found
        gone = VersionFiles(self.known.version, self.fetch).lookup(found.vanished)
        gone = {
            p: placed for p, placed in gone.items() if not left_out.is_out(placed, self.left_out)
        }
        return replace(found, vanished=[path for path in found.vanished if path in gone])

    def snapshotter(
        self,
        bases: Bases | None = None,
        places: CandidatePlaces | None = None,
        digests: Collection[DigestAlgorithm] = (),
    ) -> Snapshotter:
        from mvcd.repo.intake.loading import no_bases  # late: start-up
        from mvcd.repo.workspace.snapshot import Snapshotter

        core = self.core
        return Snapshotter(
            core, self.rules, self.fetch, core.version(core.head().version), bases=bases or no_bases,
            left_out=self.left_out, places=places, main=main_metrics(self.settings), digests=digests,
        )  # fmt: skip

    @cached_property
    def unsaved(self) -> tuple[Version, Fetch]:
        """The workspace as a version that is stored nowhere, and what reads its manifests and recipes."""
        if self.clean:
            return self.known.version, self.fetch
        from mvcd.repo.intake.targets import DryTarget  # late: start-up

        target = DryTarget()

        def fetch(id: Digest) -> bytes:
            recent = target.recent(id)
            return self.fetch(id) if recent is None else recent

        taken = self.snapshotter().take(self.known, self.scan, self.tracked, target)
        self._unread |= taken.unreadable
        return taken.version, fetch

    def differences(self, id: VersionId) -> dict[str, Change]:
        """Paths where the workspace is not as a version has them: (in the version, in the workspace)."""
        if id == self.known.id and self.clean:
            return {}
        unsaved, fetch = self.unsaved
        return changes(self.core.version(id), unsaved, fetch)

    # ---------------------------------------------------------------- cheap comparison, for status

    def quick_differences(self, id: VersionId) -> dict[str, Change]:
        """Like `differences`, but reads only files whose size and kind leave the question open.

        The entry of a file that was not read has a recipe of zeros. Files found unchanged are noted in the
        cache when nobody else is writing it.
        """
        if id == self.known.id and self.clean:
            return {}
        if not self.known.same_rules:
            return self.differences(id)
        version = self.core.version(id)
        found = changes(version, self.known.version, self.fetch) if id != self.known.id else {}
        candidates = list(
            self.scan.candidates
        )  # asked often; all that differ are in the answer anyway
        paths = {c.path for c in candidates} | set(self.scan.vanished)
        before = VersionFiles(version, self.fetch).lookup(paths)
        for path in self.scan.vanished:
            found.pop(path, None)
            if path in before:
                found[path] = (before[path], None)
        undecided = [c for c in candidates if _undecided(c, before.get(c.path))]
        recipes = self._read(undecided, before)
        sort = self._quick_sorter(candidates, before)
        for candidate in candidates:
            old, now = before.get(candidate.path), self._placed(candidate, recipes, sort)
            found.pop(candidate.path, None)
            if old != now:
                found[candidate.path] = (old, now)
        self._note(candidates, before, recipes)
        return self._without_unreadable(found, id)

    def _without_unreadable(self, found: dict[str, Change], id: VersionId) -> dict[str, Change]:
        """What cannot be read is as HEAD's version has it."""
        unreadable, head = self.unreadable, self.core.head().version
        if not unreadable:
            return found
        kept = {path: change for path, change in found.items() if not unreadable.above(path)}
        if id != head:
            between = changes(self.core.version(id), self.core.version(head), self.fetch)
            kept |= {path: change for path, change in between.items() if unreadable.above(path)}
        return kept

    def _quick_sorter(
        self, candidates: Collection[Candidate], before: Mapping[str, Placed]
    ) -> Callable[[Candidate], Component]:
        """Sorts candidates as commit does, without reading more of them than their beginning; past
        _LOOKED_AT_FILES of them by names alone. Of neighbours that did not change it tells nothing: that takes
        `differences`."""
        from mvcd.repo.workspace.sorting import Kinds, PartSorter, PathsCame  # late: start-up

        kinds = Kinds(self.core.store, self.fetch)
        if len(candidates) > _LOOKED_AT_FILES:
            return lambda candidate: self.rules.component_of(candidate.path)
        came = PathsCame(c.path for c in candidates)
        sorter = PartSorter(
            self.rules, self.known.version, self.fetch, kinds, came, self.scan.vanished
        )
        looked: dict[str, ContentKind] = {}
        for candidate in candidates:
            placed = before.get(candidate.path)
            if (
                candidate.recipe is not None
                and placed is not None
                and placed.entry.recipe == candidate.recipe
            ):
                continue
            looked[candidate.path] = self._look(candidate)
            sorter.note(candidate.path, looked[candidate.path])

        def sort(candidate: Candidate) -> Component:
            kind = looked.get(candidate.path)
            placed = before.get(candidate.path)
            if kind is None and placed is not None:
                return sorter.component_of_entry(placed)
            return sorter.component(candidate.path, kind or UNKNOWN)

        return sort

    def _look(self, candidate: Candidate) -> ContentKind:
        from mvcd.repo.workspace.sorting import kind_on_disk  # late: start-up

        if candidate.stat.is_symlink or self.rules.names_decide(candidate.path):
            return UNKNOWN
        try:
            return kind_on_disk(os.path.join(self.core.root, candidate.path))
        except OSError:
            return UNKNOWN  # who reads it all tells why

    def _placed(
        self,
        candidate: Candidate,
        recipes: Mapping[str, RecipeId],
        sort: Callable[[Candidate], Component],
    ) -> Placed:
        path, stat = candidate.path, candidate.stat
        recipe = candidate.recipe or recipes.get(path) or RecipeId(bytes(DIGEST_BYTES))
        return Placed(sort(candidate), Entry(path, stat.mode, stat.size, recipe))

    def _read(
        self, candidates: Collection[Candidate], before: Mapping[str, Placed]
    ) -> dict[str, RecipeId]:
        """Recipes by path, those of the files `before` where the content is theirs."""
        from mvcd.repo.intake.ingest import Ingest  # late: start-up
        from mvcd.repo.intake.loading import Source
        from mvcd.repo.intake.recut import as_before
        from mvcd.repo.intake.targets import DryTarget

        sources = [Source(c.path, c.stat) for c in candidates]
        target = DryTarget()
        with Ingest(
            self.core.root, target, monitor=self.core.monitor, unread=self._unread
        ) as ingest:
            found = as_before(
                ingest.run(sources),
                lambda path: before[path].entry if path in before else None,
                self.fetch,
                target,
                lambda path: os.path.join(self.core.root, path),
            )
            return {r.path: r.recipe for r in found}

    def _note(
        self,
        candidates: Collection[Candidate],
        before: Mapping[str, Placed],
        recipes: Mapping[str, RecipeId],
    ) -> None:
        """Remembers what was read, unless the rows at hand stand for another version, or somebody writes."""
        if self.scan.fresh or not recipes or self.renamed:
            return  # new rows would know no more how the renamed files were
        known = before
        if self.core.head().version != self.known.id:
            known = VersionFiles(self.known.version, self.fetch).lookup(
                {c.path for c in candidates} | set(self.scan.vanished)
            )
        settled: dict[str, CandidateOutcome | RecipeId] = {}
        for candidate in candidates:
            recipe = recipes.get(candidate.path) or candidate.recipe
            if recipe is not None:
                placed, mode = known.get(candidate.path), candidate.stat.mode
                entry = Entry(candidate.path, mode, candidate.stat.size, recipe)
                same = placed is not None and placed.entry == entry
                settled[candidate.path] = CandidateOutcome.CLEAN if same else recipe
        missing = [path for path in self.scan.vanished if path in known]
        with self.core.lock.try_hold() as held:
            if held and self._marked().id == self.known.id:
                self.core.store.cache_put(self.rows(self.known.id, settled, missing))

    # ---------------------------------------------------------------- the cache

    def rows(
        self,
        id: VersionId,
        settled: Outcomes,
        missing: Iterable[str],
        *,
        leaving: left_out.Components | None = None,
    ) -> CacheRows:
        """Cache rows that describe the workspace, as scanned, against version `id`, and their marker.

        `settled` has the candidates whose content is known for certain, `missing` all paths that the version
        has and the workspace has not, but for what is left out: `leaving`, by default what is now. Files that
        were no candidates must be as the version has them.
        """
        out = self.left_out if leaving is None else leaving
        marker = bytes(id) + self.rules.digest + encode_components(out)
        return self.scan.new_rows(settled, missing=missing) | {self._marker: marker}

    def _marked(self) -> Known:
        (row,) = self.core.store.cache_get([self._marker])
        if row is not None and len(row) >= DIGEST_BYTES:
            try:
                id = VersionId(row[:DIGEST_BYTES])
                size = DIGEST_BYTES + len(self.rules.digest)
                here = id == EMPTY_ID or self.core.store.has([id])[0]  # or else it was collected
                if here and row[size:] == encode_components(self.left_out):
                    same_rules = row[DIGEST_BYTES:size] == self.rules.digest
                    return Known(id, self.core.version(id), same_rules)
            except IntegrityError:
                pass
        return NOTHING_KNOWN

    @property
    def _marker(self) -> bytes:
        return b"known/" + self.core.workspace.encode()


def relative(root: str, path: str) -> str:
    """`path` (absolute, or relative to the current directory) as the workspace names it; "." is the root.

    The last part may be a symbolic link and is not followed. Raises UsageError outside the workspace.
    """
    absolute = os.path.abspath(path)
    parent = os.path.realpath(os.path.dirname(absolute))
    if os.path.realpath(absolute) == root:
        return "."
    inside = os.path.relpath(os.path.join(parent, os.path.basename(absolute)), root)
    if inside.split(os.sep, 1)[0] == os.pardir:
        raise UsageError(
            f"{path} is outside the workspace", cause=f"the workspace is {root}", kind="outside"
        )
    return inside.replace(os.sep, "/")


def _undecided(candidate: Candidate, placed: Placed | None) -> bool:
    """Whether only the content can tell if a file is as the version has it."""
    if placed is None or candidate.state is CandidateState.KNOWN:
        return False
    entry = placed.entry
    return entry.size == candidate.stat.size and entry.mode == candidate.stat.mode
