"""Names that come with an import: branches and tags, moved together once all their versions are here.

A branch only moves forward and a tag never moves, so nothing that somebody made here is lost to an import: what
cannot be so is left as it is, and told. While an import is under way, *lines* hold its versions: branches that
have no other purpose. They go in the same transaction, unless nothing else reaches what they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mvcd.errors import Conflict
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.committed import Context
from mvcd.repo.records.names import check_name
from mvcd.repo.records.refs import HEADS, TAGS, target_of
from mvcd.repo.trust.incoming import is_ancestor
from mvcd.store.api import RefUpdate


@dataclass(slots=True)
class BroughtNames:
    """Outcome of an import's names: those that are new or moved, and those that were left, with the reason."""

    branches: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)  # lines that nothing else reaches


def bring_names(
    core: Core,
    branches: Mapping[str, VersionId],
    tags: Mapping[str, tuple[VersionId, str]],
    lines: Collection[str],
    *,
    context: Context,
    detail: str,
) -> BroughtNames:
    """Points branches and tags (version, message) to their versions, and lets go of `lines`, in one operation.

    The branch that the workspace stands on is left: `moves.forward` moves it with its files. Raises UsageError
    for a name that none may have.
    """
    for name in branches:
        check_name(name, "branch")
    for name in tags:
        check_name(name, "tag")
    with core.lock.hold():
        done = BroughtNames()
        updates = [
            *_branches(core, branches, done),
            *_tags(core, tags, done),
            *_lines(core, _brought(branches, tags, done), lines, done),
        ]
        if updates:
            core.record(context, "import", detail, updates)
        return done


def _branches(
    core: Core, branches: Mapping[str, VersionId], done: BroughtNames
) -> Iterator[RefUpdate]:
    for name, id in branches.items():
        old = core.store.ref(HEADS + name)
        if old is not None and is_ancestor(core.store, id, target_of(old)):
            continue
        if why := _why_left(core, name, old, id):
            done.left[name] = why
            continue
        done.branches.append(name)
        yield RefUpdate(HEADS + name, old, bytes(id))


def _why_left(core: Core, name: str, old: bytes | None, id: VersionId) -> str | None:
    if old is not None and not is_ancestor(core.store, target_of(old), id):
        return "it has versions that the source has not"
    try:
        core.others.require_free(name)
    except Conflict as conflict:
        return str(conflict)
    if not core.place.bare and core.head_value().branch == name:
        return f"it is checked out in {core.root}"
    return None


def _tags(
    core: Core, tags: Mapping[str, tuple[VersionId, str]], done: BroughtNames
) -> Iterator[RefUpdate]:
    for name, (id, message) in tags.items():
        old = core.store.ref(TAGS + name)
        if old is None:
            done.tags.append(name)
            yield RefUpdate(TAGS + name, None, bytes(id) + message.encode())
        elif target_of(old) != id:
            done.left[f"tags/{name}"] = "a tag of that name is here, and a tag never moves"


def _brought(
    branches: Mapping[str, VersionId],
    tags: Mapping[str, tuple[VersionId, str]],
    done: BroughtNames,
) -> set[VersionId]:
    """The versions of names that are as they are at the source; what was left holds nothing."""
    found = {id for name, id in branches.items() if name not in done.left}
    return found | {id for name, (id, _) in tags.items() if f"tags/{name}" not in done.left}


def _lines(
    core: Core, brought: set[VersionId], lines: Collection[str], done: BroughtNames
) -> Iterator[RefUpdate]:
    if not lines:
        return
    refs = core.store.refs(HEADS) | core.store.refs(TAGS)
    own = {HEADS + line for line in lines}
    tips = {target_of(value) for name, value in refs.items() if name not in own}
    tips |= brought if core.place.bare else {core.head().version, *brought}
    reached = {version.id for version in ancestors(core, tips)}
    for line in sorted(lines):
        value = refs[HEADS + line]
        if target_of(value) in reached:
            yield RefUpdate(HEADS + line, value, None)
        else:
            done.kept.append(line)
