"""What a push to a team server has to satisfy before its refs move: who may move them where, under which rules.

What any repository demands of what is pushed to it is in mvcd/repo/trust/incoming.py. Pure judgement over
a store: no accounts and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mvcd.errors import AuthError
from mvcd.ids import Digest
from mvcd.repo.records.refs import NOTES, PRUNED, SIGNATURES, TAGS, target_of
from mvcd.repo.records.stages import require_appended
from mvcd.repo.trust.incoming import (
    Missing,
    loses_versions,
    not_forward,
    require_closure,
    require_marks,
    require_name,
    require_shared,
)
from mvcd.repo.trust.judging import Trust, signature_status, tag_signature_status
from mvcd.repo.trust.keygen import Keygen
from mvcd.store.api import RefUpdate, Store
from mvcd.team.records import ProtectionRule, covering
from mvcd.team.roles import Identity, Permission, authorize


@dataclass(frozen=True, slots=True)
class Judge:
    """One pusher's refs in one repository. `store` holds what was pushed with them."""

    identity: Identity
    repo: str
    store: Store
    rules: Sequence[ProtectionRule]
    keygen: Keygen = field(default_factory=Keygen)

    def judge(
        self,
        updates: Sequence[RefUpdate],
        force: frozenset[str],
        missing: Missing,
        *,
        prunes: bool = False,
    ) -> None:
        """Names, values, role, rules, histories, signatures, closure. `force`: names whose move may lose
        versions. `prunes`: this repository itself decides what it keeps, and nobody tells it. Raises AuthError,
        Conflict, UsageError, MissingObject, CorruptObject, Failure."""
        for update in updates:
            require_name(update.name)
            self._one(update, force=update.name in force)
        require_shared(self.store, updates)
        require_appended(self.store, updates)
        self._require_signed(updates)
        if not prunes:
            require_marks(self.store, updates)
        require_closure(self.store, updates, missing)

    def _one(self, update: RefUpdate, *, force: bool) -> None:
        action = action_of(self.store, update)
        authorize(self.identity, action, self.repo, update.name)
        for rule in covering(self.rules, self.repo, update.name):
            self._obey(rule, action, update.name)
        if action is Permission.FORCE and not force:
            raise not_forward(update.name)

    def _obey(self, rule: ProtectionRule, action: Permission, name: str) -> None:
        if rule.allow is not None and self.identity.principal not in rule.allow:
            raise protected(name, rule, f"only {', '.join(rule.allow) or 'nobody'} may move it")
        if rule.no_delete and action is Permission.DELETE:
            raise protected(name, rule, "it may not be deleted")
        if rule.fast_forward and action is Permission.FORCE:
            raise protected(name, rule, "it may only move forward")

    def _require_signed(self, moves: Sequence[RefUpdate]) -> None:
        overlay = Overlay(self.store, moves)
        for move in moves:
            if move.target is None or move.name.startswith((SIGNATURES, PRUNED, NOTES)):
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


def action_of(store: Store, update: RefUpdate) -> Permission:
    """What an update does to its ref. Raises MissingObject, CorruptObject."""
    if update.target is None:
        return Permission.DELETE
    if update.expect is None:
        return Permission.CREATE
    return Permission.FORCE if loses_versions(store, update) else Permission.ADVANCE


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


def protected(name: str, rule: ProtectionRule, cause: str, help: str | None = None) -> AuthError:
    return AuthError(
        f"{name} is protected",
        kind="protected-ref",
        cause=f"{cause} (rule for {rule.refs} in {rule.repos})",
        help=help or "ask an administrator (mvc admin protect list)",
    )
