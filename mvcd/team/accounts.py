"""The accounts of a team server: a store whose refs are users, tokens, grants, rules and quotas (records.py).

Each change is one commit with its row of the audit log, so compare-and-swap, journal, rebuild and backup are
the store's, and any number of processes may change accounts at once. Nothing is cached here. A server keeps
what calls ask again and again for as long as nothing changes (known.py), so a token revoked by `mvc admin` on
the server is refused from the very next call on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote

from mvcd.errors import Conflict, Failure
from mvcd.store.api import RefUpdate, Store
from mvcd.team.auditlog import By
from mvcd.team.globs import require_glob
from mvcd.team.records import (
    EVERYBODY,
    Grant,
    HostedRepository,
    ProtectionRule,
    Quota,
    Token,
    User,
    decode,
    encode,
    key,
    require_principal,
    scope_document,
)
from mvcd.team.roles import Identity, Scope, unauthenticated

T = TypeVar("T")
PREFIX = "mvct_"
SECRET_BYTES = 32
USED_STEP_US = 3600 * 1_000_000
"""How coarse "last used" is: a write an hour for each token, not one a call."""

_TIME = struct.Struct("<Q")


def new_secret() -> str:
    """A token: 256 random bits, shown once and kept nowhere but as a hash."""
    random = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES))
    return PREFIX + random.rstrip(b"=").decode()


def hash_of(secret: str) -> str:
    """SHA-256 in hex. The secret has 256 random bits, so a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Accounts:
    """See the module. Methods that change something take `by`, who does it. Closes nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # ------------------------------------------------------------------ users

    def users(self) -> list[User]:
        return self._all("users/", User.of)

    def user(self, name: str) -> User | None:
        return self._one(key("users", name), User.of)

    def add_user(self, by: By, name: str, *, service: bool = False) -> User:
        """Raises Failure(kind="exists"), UsageError."""
        user = User(require_principal(name), service, by.time_us)
        update = RefUpdate(key("users", name), None, user.encode())
        self._change(by, "user.add", [update], {"user": name, "service": service})
        return user

    def remove_user(self, by: By, name: str) -> None:
        """With tokens, grants, quotas and certificates, so that who gets the name later inherits nothing."""
        self._require_user(name)
        doomed = [
            key("users", name),
            *(key("tokens", token.hash) for token in self.tokens(name)),
            *(_grant_key(grant) for grant in self.grants(name)),
            *(key("quotas", q.repos, name) for q in self.quotas() if q.principal == name),
            *(key("certificates", c) for c, owner in self.certificates().items() if owner == name),
        ]
        updates = [*self._removals(doomed), *self._rules_without(name)]
        self._change(by, "user.remove", updates, {"user": name})

    def _rules_without(self, name: str) -> list[RefUpdate]:
        """Allow-lists lose the name; one that becomes empty lets nobody in."""
        return [
            RefUpdate(key("rules", rule.repos, rule.refs), rule.encode(), without.encode())
            for rule in self.rules()
            if rule.allow is not None and name in rule.allow
            for without in [replace(rule, allow=tuple(n for n in rule.allow if n != name))]
        ]

    def _require_user(self, name: str) -> None:
        if self.user(name) is None:
            raise Failure(
                f"there is no user {name!r}",
                kind="unknown-user",
                help=f"mvc admin user add {name}",
            )

    # ------------------------------------------------------------------ certificates

    def certificates(self) -> dict[str, str]:
        """Principals by the names in their client certificates."""
        found = self._all("certificates/", lambda v: (str(v["identity"]), str(v["principal"])))
        return dict(found)

    def set_certificate(self, by: By, identity: str, principal: str) -> None:
        """Client certificates that bear the name `identity` (a subject alternative name, or the common name)
        are the principal's."""
        self._require_user(principal)
        value = {"identity": identity, "principal": principal}
        self._set(by, "user.certificate", key("certificates", identity), encode(value), value)

    def remove_certificate(self, by: By, identity: str) -> None:
        name = key("certificates", identity)
        self._remove(by, "user.certificate-remove", name, {"identity": identity})

    # ------------------------------------------------------------------ tokens

    def tokens(self, principal: str | None = None) -> list[Token]:
        found = self._all("tokens/", Token.of)
        return [token for token in found if principal in (None, token.principal)]

    def add_token(
        self,
        by: By,
        principal: str,
        *,
        scopes: Sequence[Scope] | None = None,
        expires_us: int | None = None,
        note: str = "",
        secret: str | None = None,
    ) -> tuple[str, Token]:
        """The secret (or a `new_secret` that was made before), shown this once, and its record. Raises
        Failure(kind="unknown-user")."""
        self._require_user(principal)
        for scope in scopes or ():
            _require_scope(scope)
        secret = secret or new_secret()
        kept = None if scopes is None else tuple(scopes)
        token = Token(hash_of(secret), principal, kept, by.time_us, expires_us, None, note[:200])
        detail: dict[str, Any] = {"user": principal, "id": token.id, "expires_us": expires_us}
        detail["scopes"] = None if kept is None else [scope_document(s) for s in kept]
        update = RefUpdate(key("tokens", token.hash), None, token.encode())
        # the user's own row is compared too: no token is left behind by a removal at the same time
        here = self.store.ref(key("users", principal))
        updates = [update, RefUpdate(key("users", principal), here, here)]
        self._change(by, "token.add", updates, detail)
        return secret, token

    def revoke_token(self, by: By, id: str) -> Token:
        """By its id or the beginning of it. Raises Failure(kind="unknown-token")."""
        found = [token for token in self.tokens() if token.hash.startswith(id)] if id else []
        if len(found) != 1:
            raise Failure(
                f"{'several tokens begin' if found else 'no token begins'} with {id!r}",
                kind="unknown-token",
                help="mvc admin token list",
            )
        token = found[0]
        if token.revoked_us is not None:
            return token
        revoked = replace(token, revoked_us=by.time_us)
        name = key("tokens", token.hash)
        update = RefUpdate(name, token.encode(), revoked.encode())
        self._change(by, "token.revoke", [update], {"user": token.principal, "id": token.id})
        return revoked

    def last_used_us(self, token: Token) -> int | None:
        """To the hour."""
        value = self.store.cache_get([_used(token.hash)])[0]
        return None if value is None else int(_TIME.unpack(value)[0])

    # ------------------------------------------------------------------ grants, rules, quotas

    def grants(self, principal: str | None = None) -> list[Grant]:
        prefix = "grants/" if principal is None else key("grants", principal) + "/"
        return self._all(prefix, Grant.of)

    def set_grant(self, by: By, principal: str, scope: Scope) -> None:
        """Adds a grant, or changes the role of the one for the same globs. Of several that match a ref the
        highest role counts."""
        self._require_user(principal)
        _require_scope(scope)
        grant = Grant(principal, scope)
        detail = {"user": principal, **scope_document(scope)}
        self._set(by, "grant.set", _grant_key(grant), grant.encode(), detail)

    def remove_grant(self, by: By, principal: str, repos: str, refs: str | None = None) -> None:
        """Without `refs`, all grants for the glob of repositories."""
        doomed = [
            _grant_key(grant)
            for grant in self.grants(principal)
            if grant.scope.repos == repos and refs in (None, grant.scope.refs)
        ]
        if not doomed:
            raise _nothing()
        detail = {"user": principal, "repos": repos, "refs": refs}
        self._change(by, "grant.remove", self._removals(doomed), detail)

    def rules(self) -> list[ProtectionRule]:
        return self._all("rules/", ProtectionRule.of)

    def set_rule(self, by: By, rule: ProtectionRule) -> None:
        require_glob(rule.repos, "repositories")
        require_glob(rule.refs, "refs")
        for principal in rule.allow or ():
            self._require_user(principal)
        name = key("rules", rule.repos, rule.refs)
        self._set(by, "rule.set", name, rule.encode(), {"rule": rule.document()})

    def remove_rule(self, by: By, repos: str, refs: str) -> None:
        name = key("rules", repos, refs)
        self._remove(by, "rule.remove", name, {"repos": repos, "refs": refs})

    def quotas(self) -> list[Quota]:
        return self._all("quotas/", Quota.of)

    def set_quota(self, by: By, quota: Quota) -> None:
        require_glob(quota.repos, "repositories")
        if quota.principal is not None:
            self._require_user(quota.principal)
        name = key("quotas", quota.repos, quota.principal or EVERYBODY)
        self._set(by, "quota.set", name, quota.encode(), quota.document())

    def remove_quota(self, by: By, repos: str, principal: str | None) -> None:
        name = key("quotas", repos, principal or EVERYBODY)
        self._remove(by, "quota.remove", name, {"repos": repos, "principal": principal})

    # ------------------------------------------------------------------ repositories

    def repositories(self) -> list[HostedRepository]:
        return self._all("repositories/", HostedRepository.of)

    def repository(self, name: str) -> HostedRepository | None:
        return self._one(key("repositories", name), HostedRepository.of)

    def add_repository(self, by: By, hosted: HostedRepository) -> None:
        """Raises Failure(kind="exists")."""
        update = RefUpdate(key("repositories", hosted.name), None, hosted.encode())
        self._change(by, "repo.add", [update], {"repo": hosted.name, "id": hosted.id})

    def remove_repository(self, by: By, name: str) -> None:
        self._remove(by, "repo.remove", key("repositories", name), {"repo": name})

    # ------------------------------------------------------------------ who is it?

    def authenticate(self, secret: str, now_us: int) -> Identity:
        """Returns the identity of the bearer of a token. Raises AuthError(kind="unauthenticated")."""
        if not secret.startswith(PREFIX):
            raise unauthenticated("the token is not one of this server's")
        return self.bearer(hash_of(secret), now_us)

    def bearer(self, hash: str, now_us: int) -> Identity:
        """The same by the token's hash, for who was seen to bear it before. Raises AuthError."""
        token, identity = self.borne(hash, now_us)
        self.note_use(token, now_us)
        return identity

    def borne(self, hash: str, now_us: int) -> tuple[Token, Identity]:
        """The token of a hash and who bears it; nothing is noted. Raises AuthError(kind="unauthenticated")."""
        name = key("tokens", hash)
        stored = self.store.ref(name)
        if stored is None:
            raise unauthenticated("the token is not one of this server's")
        token = decode(name, stored, Token.of)
        if not hmac.compare_digest(hash, token.hash):
            raise unauthenticated("the token is not one of this server's")
        if token.revoked_us is not None:
            raise unauthenticated("the token was revoked")
        require_lasting(token, now_us)
        return token, self._identity(token.principal, token.id, token.scopes)

    def authenticate_certificate(self, identities: Iterable[str]) -> Identity:
        """Returns the identity of a client certificate, which TLS has verified. Raises
        AuthError(kind="unauthenticated")."""
        for identity in identities:
            stored = self.store.ref(key("certificates", identity))
            if stored is not None:
                found = decode(identity, stored, lambda value: str(value["principal"]))
                return self._identity(found, "", None)
        raise unauthenticated("no user has this certificate")

    def _identity(self, principal: str, token: str, scopes: tuple[Scope, ...] | None) -> Identity:
        if self.user(principal) is None:
            raise unauthenticated("the user was removed")
        grants = tuple(grant.scope for grant in self.grants(principal))
        return Identity(principal, token, grants, scopes)

    def note_use(self, token: Token, now_us: int) -> int:
        """Notes that a token is used, to the hour; returns the time that stands there."""
        last = self.last_used_us(token)
        if last is not None and now_us - last < USED_STEP_US:
            return last
        self.store.cache_put({_used(token.hash): _TIME.pack(now_us)})
        return now_us

    # ------------------------------------------------------------------ inside

    def _one(self, name: str, make: Callable[[dict[str, Any]], T]) -> T | None:
        stored = self.store.ref(name)
        return None if stored is None else decode(name, stored, make)

    def _all(self, prefix: str, make: Callable[[dict[str, Any]], T]) -> list[T]:
        return [decode(name, value, make) for name, value in self.store.refs(prefix).items()]

    def _set(self, by: By, action: str, name: str, value: bytes, detail: dict[str, Any]) -> None:
        """Whatever was there before; another change at the same moment is simply the earlier one."""
        while True:
            try:
                self._commit(by, action, [RefUpdate(name, self.store.ref(name), value)], detail)
                return
            except Conflict:
                continue

    def _remove(self, by: By, action: str, name: str, detail: dict[str, Any]) -> None:
        if self.store.ref(name) is None:
            raise _nothing()
        self._change(by, action, self._removals([name]), detail)

    def _removals(self, names: Iterable[str]) -> list[RefUpdate]:
        return [RefUpdate(name, self.store.ref(name), None) for name in names]

    def _change(
        self, by: By, action: str, updates: Sequence[RefUpdate], detail: dict[str, Any]
    ) -> None:
        try:
            self._commit(by, action, updates, detail)
        except Conflict as error:
            first = updates[0]
            if first.expect is None and self.store.ref(first.name) is not None:
                what, _, taken = first.name.partition("/")
                raise Failure(
                    f"{unquote(taken)!r} is among the {what} already", kind="exists"
                ) from error
            raise

    def _commit(
        self, by: By, action: str, updates: Sequence[RefUpdate], detail: dict[str, Any]
    ) -> None:
        with self.store.session() as session:
            session.commit(updates, audit=by.row(action, detail))


def identify(
    accounts: Accounts, token: str | None, certificates: Iterable[str], now_us: int
) -> Identity:
    """By the token if there is one, else by the certificate. Raises AuthError(kind="unauthenticated")."""
    if token is not None:
        return accounts.authenticate(token, now_us)
    names = list(certificates)
    if names:
        return accounts.authenticate_certificate(names)
    raise unauthenticated("no token was given")


def require_lasting(token: Token, now_us: int) -> None:
    """Raises AuthError(kind="unauthenticated") for a token that has expired."""
    if token.expires_us is not None and now_us >= token.expires_us:
        raise unauthenticated("the token has expired")


def _grant_key(grant: Grant) -> str:
    return key("grants", grant.principal, grant.scope.repos, grant.scope.refs)


def _nothing() -> Failure:
    return Failure("there is nothing like that to remove", kind="not-found")


def _require_scope(scope: Scope) -> None:
    require_glob(scope.repos, "repositories")
    require_glob(scope.refs, "refs")


def _used(hash: str) -> bytes:
    return b"used/" + hash.encode()
