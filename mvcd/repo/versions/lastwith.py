"""A path that a version does not have: which version before it did."""

from __future__ import annotations

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Version
from mvcd.repo.contents.files import ABSENT, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.versions.numbers import Numbers

MAX_VERSIONS = 500
"""Versions that are looked into, half a millisecond each."""


def no_such_path(core: Core, id: VersionId, rev: str, path: str) -> Failure:
    """Refuses a path that the version `id`, written as `rev`, does not have: says which version before had it
    last, and how it comes back."""
    found = last_with(core, id, path)
    if found is None:
        return Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")
    number = core.version(found).generation
    name = f"v{number}" if Numbers(core).names(found, number) else found.short()
    return Failure(
        f"{rev} has no {path}", kind="no-such-path", cause=f"{name} had it last",
        help=f"mvc restore {name} {path}  (brings it back), or: mvc log {path}",
    )  # fmt: skip


def last_with(core: Core, id: VersionId, path: str) -> VersionId | None:
    """Finds the newest version on the first-parent line from `id` on that has a file at or below `path`; None
    where none of the first 500 has. Lists that are not here count as without it."""
    lists: object = None
    for _ in range(MAX_VERSIONS):
        if id == EMPTY_ID:
            break
        version = core.version(id)
        now = [part.root for part in version.components.values()]
        if now != lists and _has(core, version, path):
            return id
        lists = now
        id = version.parents[0] if version.parents else EMPTY_ID
    return None


def _has(core: Core, version: Version, path: str) -> bool:
    try:
        return VersionFiles(version, core.store.get).look_up(path) is not False
    except ABSENT:
        return False
