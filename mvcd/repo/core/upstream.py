"""How far a branch and that of a remote are apart, as far as the last fetch or push knows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from mvcd.ids import VersionId
from mvcd.objects.ancestry import between
from mvcd.repo.records.refs import HEADS, REMOTES, target_of
from mvcd.repo.records.standing import Apart

if TYPE_CHECKING:
    from mvcd.repo.core.core import Core

MAX_APART_VERSIONS = 1000
"""Versions that are counted on each side: the walk costs a read of each."""


def apart(core: Core, branch: str, tip: VersionId) -> list[Apart]:
    """Counts, for each remote whose branch stands elsewhere, the versions that only one side has. It reads refs
    alone where all stand at `tip`."""
    found = []
    for name, value in core.store.refs(REMOTES).items():
        remote, _, ref = name.removeprefix(REMOTES).partition("/")
        there = target_of(value)
        if ref != HEADS + branch or there == tip or not core.store.has([there])[0]:
            continue
        found.append(
            Apart(
                remote,
                ahead=_count(core, tip, there),
                behind=_count(core, there, tip),
            )
        )
    return found


def _count(core: Core, head: VersionId, have: VersionId) -> int:
    return sum(1 for _ in islice(between([head], [have], core.version), MAX_APART_VERSIONS))
