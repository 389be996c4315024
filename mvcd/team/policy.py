"""What a push has to satisfy before its refs move; pure judgement over a store, no accounts and no clock.

Everything is judged from `expect` to `target`. The commit compares `expect` with what is there, so what was
true of the move here is true of it there, whoever pushes meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mvcd.errors import AuthError, Conflict, UsageError
from mvcd.ids import DIGEST_SIZE, Digest, VersionId
from mvcd.objects.version import Version
from mvcd.repo.judging import Trust, signature_status, tag_signature_status
from mvcd.repo.keygen import Keygen
from mvcd.repo.refs import HEADS, SIGNATURES, STAGES, TAGS, check_name, target_of
from mvcd.repo.signatures import TAG_SIGNATURES, of_tag, of_version
from mvcd.repo.stages import require_appended
from mvcd.store.api import RefUpdate, Store
from mvcd.team.roles import AUTO, SHARED, Action, Identity, authorize
from mvcd.team.values import Rule, covering

_RECORD = re.compile(r"[^/]+/[0-9]{8}")
MAX_UPDATES = 4096
"""In one push: a clone of a repository with more refs is pushed in several."""


@dataclass(frozen=True, slots=True)
class Forced:
    """An update, and whether the pusher said that it may lose versions."""

    update: RefUpdate
    force: bool = False


@dataclass(frozen=True, slots=True)
class Judge:
    """One pusher's refs in one repository. `store` holds what was pushed with them."""

    identity: Identity
    repo: str
    store: Store
    rules: Sequence[Rule]
    keygen: Keygen = field(default_factory=Keygen)

    def judge(self, updates: Sequence[Forced]) -> None:
        """Names, values, role, rules, histories, signatures. Raises AuthError, Conflict, UsageError,
        MissingObject, CorruptObject, Failure; nothing is changed."""
        if len(updates) > MAX_UPDATES:
            raise UsageError(f"{len(updates)} refs are too many for one push", kind="too-large")
        moves = [forced.update for forced in updates]
        if len({move.name for move in moves}) != len(moves):
            raise UsageError("a push names each ref once", kind="bad-name")
        for forced in updates:
            require_ref(forced.update.name)
            self._one(forced, moves)
        require_appended(self.store, moves)
        self._require_signed(moves)

    def _one(self, forced: Forced, moves: Sequence[RefUpdate]) -> None:
        update = forced.update
        action = action_of(self.store, update)
        authorize(self.identity, action, self.repo, update.name)
        for rule in covering(self.rules, self.repo, update.name):
            self._obey(rule, action, update.name)
        if action is Action.FORCE and not forced.force:
            raise Conflict(
                f"{update.name} would lose versions",
                kind="non-fast-forward",
                cause="the version there is no ancestor of the one pushed",
                help="mvc pull  (then push again)",
            )
        if update.target is not None:
            _require_value(Overlay(self.store, moves), update.name, update.target)

    def _obey(self, rule: Rule, action: Action, name: str) -> None:
        if rule.allow is not None and self.identity.principal not in rule.allow:
            raise protected(name, rule, f"only {', '.join(rule.allow) or 'nobody'} may move it")
        if rule.no_delete and action is Action.DELETE:
            raise protected(name, rule, "it may not be deleted")
        if rule.fast_forward and action is Action.FORCE:
            raise protected(name, rule, "it may only move forward")

    def _require_signed(self, moves: Sequence[RefUpdate]) -> None:
        overlay = Overlay(self.store, moves)
        for move in moves:
            if move.target is None or move.name.startswith(SIGNATURES):
                continue
            for rule in covering(self.rules, self.repo, move.name):
                if rule.signers is None:
                    continue
                if not _signed(overlay, move, Trust(rule.signers, keygen=self.keygen)):
                    raise protected(
                        move.name,
                        rule,
                        "it takes a good signature by a key that the rule names",
                        help="mvc sign REV  (then push again)",
                    )


def require_ref(name: str) -> None:
    """Raises UsageError(kind="bad-name") unless it is the name of a ref that travels."""
    try:
        space = next(space for space in SHARED if name.startswith(space))
        rest = name.removeprefix(space)
        if space == SIGNATURES:
            tag, _, fingerprint = rest.rpartition("/")
            if len(fingerprint) != 2 * DIGEST_SIZE or fingerprint.strip("0123456789abcdef"):
                raise UsageError("no fingerprint")
            rest = tag.removeprefix("tags/") if tag.startswith("tags/") else "x" * (len(tag) == 64)
        if space == STAGES and not _RECORD.fullmatch(rest):
            raise UsageError("no record of a stage")
        check_name(rest, "ref")
    except (StopIteration, UsageError) as error:
        raise UsageError(
            f"{name!r} is not a ref that can be pushed",
            kind="bad-name",
            cause=f"refs that travel are below {' '.join(SHARED)}",
        ) from error


def action_of(store: Store, update: RefUpdate) -> Action:
    """What an update does to its ref. Raises MissingObject, CorruptObject."""
    if update.target is None:
        return Action.DELETE
    if update.expect is None:
        return Action.CREATE
    if update.target == update.expect:
        return Action.ADVANCE
    if not update.name.startswith((HEADS, AUTO)):
        return Action.FORCE
    old, new = target_of(update.expect), target_of(update.target)
    return Action.ADVANCE if is_ancestor(store, old, new) else Action.FORCE


def is_ancestor(store: Store, old: VersionId, new: VersionId) -> bool:
    """Whether `new` descends from `old`, or is it. Looks at no version of a lower generation than `old`."""
    if old == new:
        return True
    floor = Version.decode(store.get(old)).generation
    todo, seen = [new], {new}
    while todo:
        version = Version.decode(store.get(todo.pop()))
        if version.generation <= floor:
            continue
        for parent in version.parents:
            if parent == old:
                return True
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    return False


def _require_value(overlay: Overlay, name: str, value: bytes) -> None:
    """Raises UsageError(kind="bad-value")."""
    size = len(value)
    good = True
    if name.startswith((HEADS, AUTO)):
        good = size == DIGEST_SIZE
    elif name.startswith((TAGS, STAGES)):
        good = size >= DIGEST_SIZE
    elif name.startswith(SIGNATURES):
        try:
            good = _signature_name(overlay, name, value) == name
        except ValueError:
            good = False
    if not good:
        raise UsageError(f"the value of {name} cannot be that of such a ref", kind="bad-value")


def _signature_name(overlay: Overlay, name: str, blob: bytes) -> str:
    """Where a signature of this version or tag belongs. Raises ValueError when it is none."""
    subject = name.removeprefix(SIGNATURES).rpartition("/")[0]
    if not name.startswith(TAG_SIGNATURES):
        return of_version(VersionId.parse(subject)).ref(blob)
    tag = subject.removeprefix("tags/")
    value = overlay.ref(TAGS + tag)
    if value is None:
        raise ValueError("there is no such tag")
    return of_tag(tag, value).ref(blob)


def _signed(overlay: Overlay, move: RefUpdate, trust: Trust) -> bool:
    assert move.target is not None
    if move.name.startswith(TAGS):
        found = tag_signature_status(overlay, move.name.removeprefix(TAGS), trust)
        if any(status.good for status in found):
            return True
    return any(status.good for status in signature_status(overlay, target_of(move.target), trust))


class Overlay:
    """A store as it will be once the updates are made: signatures may arrive with what they sign."""

    def __init__(self, store: Store, updates: Iterable[RefUpdate]) -> None:
        self._store = store
        self._updates = {update.name: update.target for update in updates}

    def get(self, id: Digest) -> bytes:
        return self._store.get(id)

    def has(self, ids: list[Digest]) -> list[bool]:
        return self._store.has(ids)

    def ref(self, name: str) -> bytes | None:
        return self._updates[name] if name in self._updates else self._store.ref(name)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        found = self._store.refs(prefix)
        for name, value in self._updates.items():
            if value is None:
                found.pop(name, None)
            elif name.startswith(prefix):
                found[name] = value
        return found


def protected(name: str, rule: Rule, cause: str, help: str | None = None) -> AuthError:
    return AuthError(
        f"{name} is protected",
        kind="protected-ref",
        cause=f"{cause} (rule for {rule.refs} in {rule.repos})",
        help=help or "ask an administrator (mvc admin protect list)",
    )
