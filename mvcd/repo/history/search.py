"""Versions that fulfil a condition, the best by a metric, and those that touched a thing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from mvcd.errors import Failure, UsageError
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Component
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import names_by_version
from mvcd.repo.history.walk import RefNames, ancestors, selected
from mvcd.repo.history.whereabouts import Whereabouts
from mvcd.repo.records.annotations import Texts
from mvcd.repo.records.versionentry import HistoryEntry
from mvcd.repo.versions.numbers import Numbers

if TYPE_CHECKING:
    from mvcd.repo.history.subject import Subject

_NAMED_VERSIONS = 5
"""Versions named in a warning."""


class Filter:
    """`--where`: what holds of a version. `finish` is called when all were asked."""

    def __init__(self, core: Core, expression: str) -> None:
        """Raises ExpressionError."""
        from mvcd.repo.history.query.evaluate import Evaluator  # late: start-up
        from mvcd.repo.history.query.parse import parse

        self._core = core
        self._expression = expression
        self._names = RefNames(core)
        self._evaluator = Evaluator(
            parse(expression), expression, self._names, now_us=core.clock() // 1000
        )
        self.matches = self._evaluator.matches

    def __call__(self, versions: Iterable[Glance]) -> Iterator[Glance]:
        """Raises ExpressionError at the end, when a key of the expression is one that no version has."""
        found = False
        for version in versions:
            if self.matches(version):
                found = True
                yield version
        if not found:
            self.require_known_keys()

    def require_known_keys(self) -> None:
        """`or` may have hidden a key from every version asked so far: all of history is asked here."""
        from mvcd.repo.history.query.evaluate import NOTE, known_keys, unknown_key  # late: start-up

        if not self._evaluator.unknown:
            return
        everything = list(selected(self._core, [], all_refs=True))
        known = set(known_keys(everything))
        known |= {NOTE + key for version in everything for key in self._names.annotations(version)}
        for key in self._evaluator.unknown if everything else ():
            area, _, rest = key.name.partition(".")
            named = (
                {key.name, rest} if area in ("metrics", "params", "hyperparameters") else {key.name}
            )
            if not named & known:
                raise unknown_key(self._expression, key, known)


def find(
    core: Core,
    start: str = "HEAD",
    *,
    where: str | None = None,
    best: str | None = None,
    lowest: bool | None = None,
    touching: str | None = None,
    paths: Sequence[str] = (),
    component: Component | None = None,
    limit: int | None = None,
    all_refs: bool = False,
    first_parent: bool = False,
) -> Iterator[HistoryEntry]:
    """Yields ancestors of `start` (or of every ref) that meet conditions, newest first; by `best`, the best 10.

    `where` is in the language of query/__init__.py. `paths` are files and directories, of which one changed.
    `lowest` says which way is better when the name of the metric does not.
    """
    starts = {core.resolve(start)}
    if all_refs:
        starts |= set(names_by_version(core))
    versions = ancestors(core, starts, first_parent=first_parent)
    if component is not None:
        versions = (v for v in versions if _changed(core, v, component))
    if touching is not None:
        from mvcd.repo.history.subject import subject_of  # late: start-up

        versions = _touching(core, subject_of(core, touching, start), versions)
    if paths:
        from mvcd.repo.history.subject import PathsSubject  # late: start-up
        from mvcd.repo.workspace.workspace import relative

        inside = [relative(core.root, path) for path in paths]
        versions = _touching(core, PathsSubject(core, inside), versions)
    if where is not None:
        versions = Filter(core, where)(versions)
    if best is not None:
        versions = iter(_best(core, versions, best, lowest, limit if limit is not None else 10))
    names, known, numbers = names_by_version(core), Whereabouts(core), Numbers(core)
    texts = Texts(core.store)
    for version in islice(versions, limit):
        id = version.id
        numbered, refs = numbers.names(id, version.generation), tuple(names.get(id, ()))
        yield HistoryEntry(id, version.whole(), refs, known.of(id), texts.of(id), numbered)


def _touching(core: Core, subject: Subject, versions: Iterable[Glance]) -> Iterator[Glance]:
    """Warns of versions that may have touched it too."""
    yield from subject.touching(core, versions)
    if subject.undecided:
        names = [f"v{core.version(id).generation}" for id in subject.undecided]
        shown = ", ".join(names[:_NAMED_VERSIONS]) + (
            " ..." if len(names) > _NAMED_VERSIONS else ""
        )
        core.monitor.warn(
            f"{shown} may have changed {subject.name} too; what would tell is not here"
            f" (pruned, or never fetched): {core.way_to_absent()}"
        )


def _changed(core: Core, version: Glance, component: Component) -> bool:
    parent = core.version(version.parents[0]) if version.parents else None
    before = None if parent is None else parent.components[component].root
    return version.root(component) != before


def is_lowest(core: Core, key: str) -> bool:
    """Whether less of a metric is better. Raises UsageError when nothing says so."""
    from mvcd.inspect.direction import Direction  # late: start-up
    from mvcd.repo.workspace.settings import current, metric_rules

    direction = metric_rules(current(core)).direction(key)
    if direction is Direction.NEITHER:
        raise UsageError(
            f"is more of {key} better, or less?",
            kind="no-direction",
            cause="neither its name nor the [metrics] table of mvc.toml tells",
            help=f"mvc log --best {key} --max  (or --min)",
        )
    return direction is Direction.LOWER


def _best(
    core: Core, versions: Iterable[Glance], key: str, lowest: bool | None, limit: int
) -> list[Glance]:
    """Of equal ones the older first: it was there before. Versions without the number, or NaN, do not count."""
    from mvcd.repo.history.query.evaluate import value_finder  # late: start-up

    find, sign = value_finder(key), 0
    ranked = []
    for version in versions:
        value = find(version)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124
            continue
        if not sign:
            sign = 1 if (is_lowest(core, key) if lowest is None else lowest) else -1
        ranked.append((sign * value, version.generation, version.time_us, version.id, version))
    if not ranked:
        _require_known(core, key)
    return [row[-1] for row in heapq.nsmallest(limit, ranked)]


def _require_known(core: Core, key: str) -> None:
    from mvcd.repo.history.query.evaluate import (  # late: start-up
        known_keys,
        unknown_key,
        value_finder,
    )
    from mvcd.repo.history.query.tree import Key

    everything = list(selected(core, [], all_refs=True))
    find = value_finder(key)
    if any(find(version) is not MISSING for version in everything):
        raise Failure(
            f"no version here has a number {key}", kind="no-number", help="mvc log --metrics"
        )
    if everything:
        raise unknown_key(key, Key(key, 0, len(key)), known_keys(everything))
