"""What was read of a scan's candidates: 40 bytes for each, whatever their number.

A candidate is known by its place among all of them, in the order of paths. What nearly all have alike (a kind
that nobody knows, the size that the scan saw, nothing that is recorded) takes no more than that.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from mvcd.ids import DIGEST_BYTES, RecipeId
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.kinds import UNKNOWN, ContentKind
from mvcd.inspect.recorded import Recorded
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component
from mvcd.repo.intake.loading import Ingested
from mvcd.repo.workspace.found import Candidate
from mvcd.repo.workspace.sorting import may_tie

_NUMBERS = {component: number for number, component in enumerate(Component, 1)}
_NOTHING = (Component.DATA, None)

# each in half the time of a call of the class
_recipe_id: Callable[[bytearray], RecipeId] = partial(bytes.__new__, RecipeId)
_entry: Callable[[tuple[object, ...]], Entry] = partial(tuple.__new__, Entry)


class FilesRead:
    """Takes what came of candidates in any order, and gives it in theirs."""

    def __init__(self, candidates: Collection[Candidate], rules: ComponentRules) -> None:
        count = len(candidates)
        self._candidates = candidates
        self._rules = rules
        self._read = bytearray(count)
        self._recipes = bytearray(count * DIGEST_BYTES)
        self._kinds = array("I", bytes(4 * count))
        self._kind_numbers = {UNKNOWN: 0}
        self._all_kinds = [UNKNOWN]
        self._otherwise: dict[int, tuple[Mode, int]] = {}  # mode and size, not as the scan saw them
        self._told: dict[int, tuple[Component, Recorded]] = {}
        self._brought = bytearray(count)
        self.ties: dict[str, ContentKind] = {}  # of files that may tie others

    def put(self, place: int, candidate: Candidate, ingested: Ingested) -> None:
        """What was read of the candidate at `place`."""
        self._read[place] = 1
        self._recipes[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES] = ingested.recipe
        if ingested.kind is not UNKNOWN:
            self._kinds[place] = self._number(ingested.kind)
        if may_tie(candidate.path):
            self.ties[candidate.path] = ingested.kind
        stat = candidate.stat
        if ingested.size != stat.size or (ingested.stat != stat and ingested.mode is not stat.mode):
            self._otherwise[place] = ingested.mode, ingested.size
        if isinstance(ingested.told, Recorded):
            self._told[place] = self._rules.component_of(candidate.path), ingested.told

    def files(self) -> Iterator[tuple[int, Entry, ContentKind]]:
        """The place of each file that was read, its entry, and what its content says of it."""
        kinds = self._all_kinds
        for place, candidate in enumerate(self._candidates):
            if self._read[place]:
                yield place, self._entry(place, candidate), kinds[self._kinds[place]]

    def told(self, place: int) -> tuple[Component, Recorded | None]:
        """What the file records, read as one of the component that its name says."""
        return self._told.get(place, _NOTHING)

    def bring(self, place: int, component: Component) -> None:
        """The file's entry is to come into this component's list."""
        self._brought[place] = _NUMBERS[component]

    def brings(self, component: Component) -> bool:
        """Whether any file's is."""
        return _NUMBERS[component] in self._brought

    def edits(self, component: Component) -> Iterator[tuple[str, Entry]]:
        """The paths and entries of those whose is, ascending."""
        if not self.brings(component):
            return
        number = _NUMBERS[component]
        for place, candidate in enumerate(self._candidates):
            if self._brought[place] == number:
                yield candidate.path, self._entry(place, candidate)

    def _entry(self, place: int, candidate: Candidate) -> Entry:
        start, stat = place * DIGEST_BYTES, candidate.stat
        recipe = _recipe_id(self._recipes[start : start + DIGEST_BYTES])
        mode, size = self._otherwise.get(place) or (stat.mode, stat.size)
        return _entry((candidate.path, mode, size, recipe))

    def _number(self, kind: ContentKind) -> int:
        number = self._kind_numbers.setdefault(kind, len(self._all_kinds))
        if number == len(self._all_kinds):
            self._all_kinds.append(kind)
        return number


def with_others(
    edits: Iterable[tuple[str, Entry | None]], others: dict[str, Entry | None]
) -> Iterator[tuple[str, Entry | None]]:
    """Ascending edits, and others, which count where both name a path."""
    if not others:
        yield from edits
        return
    left = sorted(others.items(), reverse=True)
    for edit in edits:
        while left and left[-1][0] < edit[0]:
            yield left.pop()
        if left and left[-1][0] == edit[0]:
            yield left.pop()
        else:
            yield edit
    yield from reversed(left)
