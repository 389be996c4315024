"""Which checkpoint went before one that came: added files do not tell by themselves what changed."""

from __future__ import annotations

from collections.abc import Collection

from mvcd.inspect.checkpoints import family_of, leading, rank_of
from mvcd.inspect.trainingstate import is_state_file
from mvcd.objects.version import Component
from mvcd.repo.compare.narrowing import ComparedPart, below
from mvcd.repo.compare.sides import Sides
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.core.core import Core

MAX_FILES = 5000
"""Weight files of one side that are sorted by their models, 17 us each."""

MAX_MODELS = 4
"""Models that are compared with their checkpoints before; each costs a comparison of its own."""


def earlier(sides: Sides, came: Collection[str], stayed: Collection[str]) -> dict[str, str]:
    """By path of a weight file that came and speaks for its model: the one that spoke for it on the old side.

    `stayed` are weight files of both sides; a model that has one of them needs no other. Empty where the list
    of the old side's files is not here, and for so many files that they are no checkpoints.
    """
    if len(came) + len(stayed) > MAX_FILES:
        return {}
    known = set(map(family_of, stayed))
    newest = {
        family_of(path): path
        for path in leading(path for path in came if not is_state_file(path))
        if family_of(path) not in known
    }
    if not newest:
        return {}
    before: dict[str, str] = {}
    try:
        for index, placed in enumerate(sides.old.files.all([Component.WEIGHTS])):
            if index >= MAX_FILES:
                return {}
            path = placed.entry.path
            family = family_of(path)
            if family in newest and not is_state_file(path):
                before[family] = max(before.get(family, path), path, key=rank_of)
    except ABSENT:
        return {}
    pairs = [(path, before[family]) for family, path in newest.items() if family in before]
    return dict(pairs[:MAX_MODELS])


def since(core: Core, sides: Sides, old: str, new: str) -> Sides:
    """The two files alone. Raises what `below` raises."""
    ids = [side.id.hex() if side.id is not None else None for side in (sides.old, sides.new)]
    return below(core, sides, (ComparedPart(ids[0], old), ComparedPart(ids[1], new)))
