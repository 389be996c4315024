"""What a repository demands of refs that others push to it, whoever they are and however they come.

    require_shared     names and values are those of refs that travel
    loses_versions     whether a move is no fast-forward
    require_marks      only versions that are new here are said to have no content
    require_closure    all that the new refs reach is here
    receive            all of that: for one's own repositories, where nobody has a role

Everything is judged from `expect` to `target`. The commit compares `expect` with what is there, so what was
true of the move here is true of it there, whoever pushes meanwhile. Pure: reads a store, changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mvcd.errors import Conflict, MissingObject, UsageError
from mvcd.ids import DIGEST_BYTES, Digest, VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.closure import require_allowed
from mvcd.objects.version import Version
from mvcd.repo.records.annotations import is_greater, is_whole, subject_of, subjects_of
from mvcd.repo.records.names import rule_broken
from mvcd.repo.records.pruned import marked_by, name_of
from mvcd.repo.records.refs import (
    AUTO,
    EMPTY_ID,
    HEADS,
    NOTES,
    PRUNED,
    SHARED,
    SIGNATURES,
    STAGES,
    TAGS,
    target_of,
)
from mvcd.repo.records.stages import is_record, require_appended
from mvcd.repo.trust.signatures import TAG_SIGNATURES, of_tag, of_version
from mvcd.store.api import RefUpdate, Store
from mvcd.sync.walk import difference

_POINT_NOWHERE = (SIGNATURES, PRUNED, NOTES)
"""Namespaces whose values are no versions."""

MAX_KNOWN_VERSIONS = 8
"""Versions here whose content new ones are compared with; the nearest by history make the walk short."""
MAX_HAVE_VERSIONS = 256
"""Versions here that end the walk back through history. More would be read at each push for nothing: with
thousands of automatic refs, that alone would take longer than the rest."""
NAMED_OBJECTS = 4
"""Missing objects named in an error."""

Missing = Callable[[list[Digest]], list[Digest]]
"""Finds the objects that are not here. A session's (`Arrivals.missing`) puts the others under its lease, so
that no collection takes them before the commit."""

_MARK = re.compile(r"[0-9a-f]{32}")
_FINGERPRINT = re.compile(r"(?:tags/(?P<tag>.+)|(?P<version>[0-9a-f]{64}))/[0-9a-f]{64}")


def receive(
    store: Store, updates: Sequence[RefUpdate], force: frozenset[str], missing: Missing
) -> None:
    """Raises UsageError (names and values), Conflict, MissingObject, CorruptObject."""
    require_shared(store, updates)
    for update in updates:
        if update.name not in force and loses_versions(store, update):
            raise not_forward(update.name)
    require_appended(store, updates)
    require_marks(store, updates)
    require_closure(store, updates, missing)


def not_forward(name: str) -> Conflict:
    if name.startswith(NOTES):
        return Conflict(
            f"{name} was written again there, later",
            kind="non-fast-forward",
            cause="of two texts of one annotation the later one holds",
            help="mvc fetch  (then push again)",
        )
    return Conflict(
        f"{name} would lose versions",
        kind="non-fast-forward",
        cause="the version there is no ancestor of the one pushed",
        help="mvc pull  (then push again)",
    )


# ---------------------------------------------------------------------- names and values


def require_shared(store: Store, updates: Iterable[RefUpdate]) -> None:
    """Raises UsageError(kind="bad-name" or "bad-value") unless each is the update of a ref that travels."""
    targets = {update.name: update.target for update in updates}
    for name, value in targets.items():
        require_name(name)
        if value is not None and not _fits(store, targets, name, value):
            raise UsageError(f"the value of {name} cannot be that of such a ref", kind="bad-value")


def require_name(name: str) -> None:
    """Raises UsageError(kind="bad-name")."""
    if cause := name_problem(name):
        raise UsageError(f"{name!r} is not a ref that can be pushed", kind="bad-name", cause=cause)


def name_problem(name: str) -> str | None:
    """Why no ref of this name travels; None if it may."""
    space = next((space for space in SHARED if name.startswith(space)), None)
    strange = f"refs that travel are below {' '.join(SHARED)}"
    if space is None:
        return strange
    rest = name.removeprefix(space)
    if space in (STAGES, PRUNED, NOTES):
        return None if _is_record(name) else strange
    if space == SIGNATURES:
        match = _FINGERPRINT.fullmatch(rest)
        if match is None:
            return strange
        rest = match["tag"] or match["version"]
    return rule_broken(rest)


def _is_record(name: str) -> bool:
    if name.startswith(STAGES):
        return is_record(name)
    if name.startswith(NOTES):
        return subject_of(name) is not None
    return name.startswith(PRUNED) and _MARK.fullmatch(name.removeprefix(PRUNED)) is not None


def _fits(store: Store, targets: dict[str, bytes | None], name: str, value: bytes) -> bool:
    if name.startswith((HEADS, AUTO)):
        return len(value) == DIGEST_BYTES
    if name.startswith(PRUNED):
        return name_of(value) == name
    if name.startswith(NOTES):
        return is_whole(value)
    return (
        _signs(store, targets, name, value)
        if name.startswith(SIGNATURES)
        else len(value) >= DIGEST_BYTES
    )


def _signs(store: Store, targets: dict[str, bytes | None], name: str, value: bytes) -> bool:
    """Whether a signature is of what its name says, by the key that its name says."""
    subject = name.removeprefix(SIGNATURES).rpartition("/")[0]
    try:
        if not name.startswith(TAG_SIGNATURES):
            return of_version(VersionId.parse(subject)).ref(value) == name
        tag = subject.removeprefix("tags/")
        pointed = targets.get(TAGS + tag) or store.ref(TAGS + tag)
        return pointed is not None and of_tag(tag, pointed).ref(value) == name
    except ValueError:
        return False


# ---------------------------------------------------------------------- history


def loses_versions(store: Store, update: RefUpdate) -> bool:
    """Whether a branch or an automatic ref leaves its history, an annotation gives way to one that does not
    hold over it, or another ref that is there changes at all.

    Deleting is another question. Raises MissingObject, CorruptObject.
    """
    if update.expect is None or update.target is None or update.expect == update.target:
        return False
    if update.name.startswith(NOTES):
        whole = is_whole(update.target)  # if not, `require_shared` says so
        return whole and not is_greater(update.target, update.expect)
    if not update.name.startswith((HEADS, AUTO)):
        return True
    if min(len(update.expect), len(update.target)) < DIGEST_BYTES:
        return True
    return not is_ancestor(store, target_of(update.expect), target_of(update.target))


def is_ancestor(store: Store, old: VersionId, new: VersionId) -> bool:
    """Whether `new` descends from `old`, or is it. Looks at no version of a lower generation than `old`."""
    if old in (new, EMPTY_ID):
        return True
    floor = _read(store, old).generation
    todo, seen = [new], {new}
    while todo:
        version = _read(store, todo.pop())
        if version.generation <= floor:
            continue
        for parent in version.parents:
            if parent == old:
                return True
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    return False


def _read(store: Store, id: VersionId) -> Version:
    return Version() if id == EMPTY_ID else Version.decode(store.get(id))


# ---------------------------------------------------------------------- closure


def require_marks(store: Store, updates: Iterable[RefUpdate]) -> None:
    """A mark of pruned versions (PRUNED.md) names only versions that no ref here reached before: whoever has
    content is not told by others that he has not. Raises UsageError(kind="bad-value"), CorruptObject."""
    updates = list(updates)
    values = {u.name: u.target for u in updates if u.name.startswith(PRUNED) and u.target}
    if not values:
        return
    moves = [u for u in updates if u.target is not None and not u.name.startswith(_POINT_NOWHERE)]
    heads = {target_of(u.target) for u in moves if u.target is not None} - {EMPTY_ID}
    here = _versions(store)
    new = set(between(heads, sorted(here), lambda id: Version.decode(store.get(id))))
    if not marked_by(values).keys() <= new:
        raise UsageError(
            "what was pushed says of versions that are here that they were pruned",
            kind="bad-value",
            help="mvc fetch  (then push again)",
        )


def require_closure(store: Store, updates: Iterable[RefUpdate], missing: Missing) -> None:
    """Every version that the new values reach, or are about, is here, and all content of those they point to.

    Walks what is new against what refs reach here (sync/walk.py), so it costs what the change costs. Versions
    on the way need their records only: their content may be absent by choice. Raises MissingObject,
    CorruptObject, Failure(kind="reserved-path").
    """
    updates = list(updates)
    noted = subjects_of(u.name for u in updates if u.target is not None)
    _require(missing, sorted(noted))
    moves = [u for u in updates if u.target is not None and not u.name.startswith(_POINT_NOWHERE)]
    pointed = {target_of(u.target) for u in moves if u.target is not None} - {EMPTY_ID}
    here = _versions(store)
    # What a ref reaches is all here, and comes under the lease: that ref may be deleted before this one moves.
    here -= set(missing(sorted(pointed & here)))
    heads = sorted(pointed - here)
    if not heads:
        return
    _require(missing, list(heads))
    haves = _haves(store, moves)
    new = list(between(heads, haves, lambda id: Version.decode(store.get(id))))
    _require(missing, list(new))

    known = _nearest(store, new, moves, here)
    for group in difference(heads, known, store.get_many, store.get_many, look=require_allowed):
        _require(missing, group)  # before it is opened, so that nothing absent is passed over


def _versions(store: Store) -> set[VersionId]:
    """What shared refs point to now; their content is complete, by this very check."""
    found: set[VersionId] = set()
    for space in SHARED:
        if space not in _POINT_NOWHERE:
            found.update(target_of(value) for value in store.refs(space).values())
    return found - {EMPTY_ID}


def _haves(store: Store, moves: Sequence[RefUpdate]) -> list[VersionId]:
    """Old values of the refs that move, then branches."""
    now = {u.name: store.ref(u.name) for u in moves}
    values = [value for value in now.values() if value is not None]
    for value in store.refs(HEADS).values():
        if len(values) == MAX_HAVE_VERSIONS:
            break
        values.append(value)
    return list(dict.fromkeys(target_of(value) for value in values))


def _nearest(
    store: Store, new: Sequence[VersionId], moves: Sequence[RefUpdate], here: set[VersionId]
) -> list[VersionId]:
    """Of the versions that refs point to: the old values of those that move, then parents of new ones, then
    the newest."""
    found = dict.fromkeys(target_of(u.expect) for u in moves if u.expect is not None)
    for id in reversed(new):
        found |= dict.fromkeys(Version.decode(store.get(id)).parents)
    nearest = [id for id in found if id in here]
    if not nearest and here:
        nearest = [max(here, key=lambda id: Version.decode(store.get(id)).generation)]
    return nearest[:MAX_KNOWN_VERSIONS]


def _require(missing: Missing, ids: list[Digest]) -> None:
    gone = missing(ids)
    if gone:
        kinds = ", ".join(f"{id.kind.name.lower()} {id.short()}" for id in gone[:NAMED_OBJECTS])
        more = f" and {len(gone) - NAMED_OBJECTS:,} more" if len(gone) > NAMED_OBJECTS else ""
        raise MissingObject(
            f"what was pushed is not whole: {kinds}{more} are missing"
            if len(gone) > 1
            else f"what was pushed is not whole: {kinds} is missing",
            help="push again",
        )
