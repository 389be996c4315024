"""Branches and tags: names for versions, moved only with the expected old value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.names import known_name, new_name, written
from mvcd.repo.records.refs import (
    EMPTY_ID,
    HEADS,
    STAGES,
    TAGS,
    HeadValue,
    tag_message,
    target_of,
)
from mvcd.repo.records.standing import Branch, Tag
from mvcd.store.api import RefUpdate

if TYPE_CHECKING:
    from mvcd.repo.change.signing import Signer
    from mvcd.repo.records.committed import Context

MAX_TAG_MESSAGE_BYTES = 16 << 10
"""Bytes."""


def branches(core: Core) -> tuple[Branch, ...]:
    current = core.head_value().branch
    found = []
    for ref, value in sorted(core.store.refs(HEADS).items()):
        name, id = ref.removeprefix(HEADS), target_of(value)
        found.append(_branch(core, name, id, current=name == current))
    return tuple(found)


def create_branch(core: Core, name: str, rev: str = "HEAD", *, context: Context) -> Branch:
    """Makes a branch at a version, without going there. Raises Failure(kind="branch-exists")."""
    name = new_name(name, HEADS)
    with core.lock.hold():
        id = _stored(core, rev, "branch")
        if core.store.ref(HEADS + name) is not None:
            raise Failure(
                f"branch {name!r} exists",
                kind="branch-exists",
                help=f"mvc switch {written(HEADS + name)}",
            )
        core.record(context, "branch", f"branch {name}", [RefUpdate(HEADS + name, None, bytes(id))])
        return _branch(core, name, id, current=False)


def delete_branch(core: Core, name: str, *, context: Context, force: bool = False) -> Branch:
    """Deletes a branch. Unless forced, refuses when no other branch, tag or stage reaches its tip."""
    name = known_name(name, HEADS, core.revisions.has)
    with core.lock.hold():
        value = _existing(core, HEADS + name, "branch", name)
        if core.head_value().branch == name:
            raise Failure(
                f"HEAD is on branch {name!r}", kind="current-branch",
                help="mvc switch OTHER, then delete it",
            )  # fmt: skip
        core.others.require_free(name)
        id = target_of(value)
        if not force and not _reached_elsewhere(core, name, id):
            raise Conflict(
                f"branch {name!r} has versions that no other branch, tag or stage has",
                kind="unmerged-branch",
                help=f"mvc branch -d --force {written(HEADS + name)}  (mvc undo takes it back)",
            )
        core.record(context, "branch", f"branch -d {name}", [RefUpdate(HEADS + name, value, None)])
        return _branch(core, name, id, current=False)


def rename_branch(core: Core, old: str, new: str, *, context: Context) -> Branch:
    """Gives a branch another name, under HEAD too."""
    old, new = (
        known_name(old, HEADS, core.revisions.has),
        new_name(new, HEADS, f"mvc branch -m {old} "),
    )
    with core.lock.hold():
        value = _existing(core, HEADS + old, "branch", old)
        if core.store.ref(HEADS + new) is not None:
            raise Failure(f"branch {new!r} exists", kind="branch-exists", help="mvc branch")
        updates = [RefUpdate(HEADS + old, value, None), RefUpdate(HEADS + new, None, value)]
        current = core.head_value().branch == old
        core.others.require_free(old)
        if current:
            updates.append(core.move_head(HeadValue(new)))
        core.record(context, "branch", f"branch -m {old} {new}", updates)
        id = target_of(value)
        return _branch(core, new, id, current=current)


def tags(core: Core) -> tuple[Tag, ...]:
    return tuple(
        _tag(core, ref.removeprefix(TAGS), value)
        for ref, value in sorted(core.store.refs(TAGS).items())
    )


def create_tag(
    core: Core,
    name: str,
    rev: str = "HEAD",
    *,
    context: Context,
    message: str = "",
    signer: Signer | None = None,
) -> Tag:
    """Makes a tag, signed if there is a `signer`. It never moves: delete it first to give its name away."""
    from mvcd.repo.trust.signatures import signer_of  # late: start-up

    name = new_name(name, TAGS)
    if len(message.encode()) > MAX_TAG_MESSAGE_BYTES:
        raise Failure(
            f"a tag's message may have {MAX_TAG_MESSAGE_BYTES >> 10} KiB", kind="too-long"
        )
    with core.lock.hold():
        id = _stored(core, rev, "tag")
        if core.store.ref(TAGS + name) is not None:
            raise Failure(
                f"tag {name!r} exists", kind="tag-exists", cause="a tag never moves",
                help=f"mvc tag -d {written(TAGS + name)}",
            )  # fmt: skip
        value = bytes(id) + message.encode()
        signature = None if signer is None else signer.tag(core, name, value)
        core.record(context, "tag", f"tag {name}", [RefUpdate(TAGS + name, None, value), signature])
        by = None if signature is None else signer_of(signature)
        return _tag(core, name, value)._replace(signer=by)


def delete_tag(core: Core, name: str, *, context: Context) -> Tag:
    """Deletes a tag and its signatures."""
    from mvcd.repo.trust.signatures import removals  # late: start-up

    name = known_name(name, TAGS, core.revisions.has)
    with core.lock.hold():
        value = _existing(core, TAGS + name, "tag", name)
        gone = [RefUpdate(TAGS + name, value, None), *removals(core.store, name)]
        core.record(context, "tag", f"tag -d {name}", gone)
        return _tag(core, name, value)


def _branch(core: Core, name: str, id: VersionId, *, current: bool) -> Branch:
    return Branch(name, id, core.version(id).generation, current, written(HEADS + name))


def _tag(core: Core, name: str, value: bytes) -> Tag:
    id = target_of(value)
    rev = written(TAGS + name, core.revisions.has)
    return Tag(name, id, core.version(id).generation, tag_message(value), rev=rev)


def _existing(core: Core, ref: str, what: str, name: str) -> bytes:
    value = core.store.ref(ref)
    if value is None:
        raise Failure(f"there is no {what} {name!r}", kind=f"unknown-{what}", help=f"mvc {what}")
    return value


def _stored(core: Core, rev: str, what: str) -> VersionId:
    from mvcd.repo.core.kept_here import is_here, require_here, roots_of  # late: start-up
    from mvcd.repo.core.wanted import is_partial

    id = core.resolve(rev)
    if id == EMPTY_ID:
        raise Failure(
            f"a {what} needs a version to point to", kind="no-versions",
            cause=f"{rev} is the empty version v0", help="mvc commit -m '...'",
        )  # fmt: skip
    require_here(core, id)
    if core.promised is not None and not is_partial(core.config) and not is_here(core, id):
        core.promised.bring(roots_of(core, id))  # what a name points to has its content
    return id


def _reached_elsewhere(core: Core, name: str, wanted: VersionId) -> bool:
    number = core.version(wanted).generation
    refs = {**core.store.refs(HEADS), **core.store.refs(TAGS), **core.store.refs(STAGES)}
    stack = [target_of(v) for r, v in refs.items() if r != HEADS + name]
    seen: set[VersionId] = set()
    while stack:
        id = stack.pop()
        if id == wanted:
            return True
        if id in seen:
            continue
        seen.add(id)
        version = core.version(id)
        if version.generation > number:
            stack.extend(version.parents)
    return False
