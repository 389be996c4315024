"""What a snapshot's files record: its settings and metrics, parsed now or remembered by recipe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field

from mvcd.errors import MissingObject
from mvcd.inspect.recorded import Recorded
from mvcd.lateclasses import dataclass
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, SubPart, Value, Version
from mvcd.repo.contents import flatvalues
from mvcd.repo.contents.files import ABSENT, Placed, VersionFiles, is_listed
from mvcd.repo.contents.problems import COMPONENTS, Problem, pack_problems, problems_key
from mvcd.repo.core.core import Core
from mvcd.repo.workspace.left_out import is_out


@dataclass(frozen=True, slots=True)
class Told:
    """`problems` are of all files, also of those that were not read now."""

    hyperparameters: Mapping[str, Value]
    metrics: Mapping[str, Value]
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Recording:
    """Gathers for one snapshot. `before` is the version that it follows, `main` are the globs of files whose
    metrics have the short names, `parsed` is what was read now, by path; `cache` takes what is parsed besides.
    """

    core: Core
    fetch: Fetch  # reads the snapshot's nodes and recipes, and content that is stored
    left_out: Collection[Component | SubPart]
    before: Version
    main: Sequence[str] = ()
    parsed: Mapping[str, Recorded] = field(default_factory=dict)
    cache: dict[bytes, bytes | None] = field(default_factory=dict)

    def tell(self, version: Version, known: Version) -> Told:
        """Tells the values of the snapshot `version`. Where components are left out, nothing is fetched for
        them: values are as `known` has them, but for files that are here."""
        unlisted = self._unlisted(known)
        found = flatvalues.gather(self._files(version, unlisted), self._told)
        found.partial |= bool(unlisted)
        before = self.before
        settings, no_settings = flatvalues.merged(
            found.settings,
            absent=known.hyperparameters if found.partial else None,
            before=flatvalues.Before(
                before.hyperparameters, lambda: self._gathered(before).settings
            ),
        )
        metrics, no_metrics = flatvalues.merged(
            found.metrics,
            absent=known.metrics if found.partial else None,
            before=flatvalues.Before(before.metrics, lambda: self._gathered(before).metrics),
            main=self.main,
        )
        problems = [
            *found.problems,
            *flatvalues.no_room("settings", no_settings),
            *flatvalues.no_room("metrics", no_metrics),
        ]
        if not self.left_out:
            key = problems_key(version)
            self.cache[key] = pack_problems(sorted(problems))
        unmoved = self._unmoved(version, known)
        if Component.HYPERPARAMETERS in unmoved:
            settings = dict(known.hyperparameters)
        if Component.RESULTS in unmoved:
            metrics = dict(known.metrics)
        return Told(settings, metrics, tuple(sorted(problems)))

    def _unmoved(self, version: Version, known: Version) -> set[Component]:
        return {
            c
            for c in Component
            if c in self.left_out and known.components[c] == version.components[c]
        }

    def _unlisted(self, known: Version) -> set[Component]:
        """Returns the components that are left out, and whose lists of files are not here."""
        return {
            component
            for component in COMPONENTS
            if component in self.left_out
            and not is_listed(known.components[component].root, self.core.store.get)
        }

    def _files(self, version: Version, unlisted: Collection[Component]) -> Iterator[Placed]:
        here = [c for c in COMPONENTS if c not in unlisted]
        return VersionFiles(version, self.fetch).all(here)

    def _gathered(self, version: Version) -> flatvalues.Gathered:
        """Gathers from HEAD's version; what is not here of it says nothing."""
        try:
            files = self._files(version, self._unlisted(version))
            return flatvalues.gather(files, self._told_before)
        except ABSENT:
            return flatvalues.Gathered()

    def _told_before(self, placed: Placed) -> Recorded | None:
        try:
            return self._remembered(placed)
        except ABSENT:
            return None

    def _told(self, placed: Placed) -> Recorded | None:
        found = self.parsed.get(placed.entry.path)
        return self._remembered(placed) if found is None else found

    def _remembered(self, placed: Placed) -> Recorded | None:
        """None where the file is left out and its content is not here."""
        component, entry = placed
        key = flatvalues.cache_key(component, entry.path, entry.recipe)
        row = self.cache.get(key) or self.core.store.cache_get([key])[0]
        if row is not None:
            return flatvalues.unpack(row)
        out = is_out(placed, self.left_out)
        try:
            found = flatvalues.parse_entry(
                component, entry, self.core.store.get if out else self.fetch
            )
        except MissingObject:
            if not out:
                raise
            return None
        self.cache[key] = flatvalues.pack(found)
        return found
