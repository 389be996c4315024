"""Whether `vN` names a version: then screens show it so, and otherwise by its id alone.

`vN` is generation N on the first-parent line of HEAD, or of the only branch that has it (revisions.py). What a
merge brought in has numbers of its own line, which may name other versions here.
"""

from __future__ import annotations

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.line import on_line
from mvcd.repo.records.refs import EMPTY_ID

_NEAR_VERSIONS = 300
"""Generations that are walked one by one; further down it goes in strides."""


class Numbers:
    """Looks down HEAD's line as far as it is asked; versions mostly come with falling numbers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._line: dict[int, VersionId] = {}
        self._next = self._head = core.head().version
        self._lowest = core.head().number + 1

    def names(self, id: VersionId, number: int) -> bool:
        """Whether v`number` is this version."""
        if number == 0:
            return id == EMPTY_ID
        if self._head != EMPTY_ID and (found := self._at(number)) is not None:
            return found == id
        try:
            return self._core.revisions.numbered(number) == id
        except Failure:
            return False

    def _at(self, number: int) -> VersionId | None:
        if self._lowest - number > _NEAR_VERSIONS:
            return on_line(self._core.store, self._head, number)
        while self._next != EMPTY_ID and self._lowest > number:
            glance = self._core.glance(self._next)
            self._lowest = glance.generation
            self._line[self._lowest] = self._next
            self._next = glance.parents[0] if glance.parents else EMPTY_ID
        return self._line.get(number)
