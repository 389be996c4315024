"""What the accounts store keeps: values of its refs, as canonical JSON (sorted keys, no spaces).

    users/NAME              User
    certificates/IDENTITY   {"principal"}: whose a client certificate with this name is
    tokens/SHA256           Token, under the hash of the secret; the secret itself rests nowhere
    grants/NAME/REPOS/REFS  Grant; REPOS and REFS are globs
    rules/REPOS/REFS        Rule
    quotas/REPOS/NAME       Quota; NAME is a principal, or * for the whole repository
    repositories/NAME       Hosted
    copying/...             of a copy that is not finished (draftroot.py)
    sessions/SHA256         a browser's, under the hash of its secret (sessions.py)

Globs and names with slashes are percent-encoded in the names of refs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from mvcd.errors import CorruptObject, UsageError
from mvcd.team.globs import ANY, matches
from mvcd.team.roles import Role, Scope

T = TypeVar("T")
EVERYBODY = "*"
MAX_SIGNERS_BYTES = 48 << 10
_PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(name: str, data: bytes, make: Callable[[dict[str, Any]], T]) -> T:
    """Raises CorruptObject."""
    try:
        return make(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptObject(
            f"the account record {name} cannot be read", cause=str(error)
        ) from error


def key(*parts: str) -> str:
    """The name of a ref: the parts, each in a segment of its own."""
    return "/".join(quote(part, safe="*?+:@") for part in parts)


def require_principal(name: str) -> str:
    if not _PRINCIPAL.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a user",
            cause="names have up to 64 small letters, digits and . _ -, and begin with a letter or digit",
        )
    return name


def parse_role(word: str) -> Role:
    try:
        return Role[word.upper()]
    except KeyError:
        words = ", ".join(role.word for role in Role)
        raise UsageError(f"there is no role {word!r}", cause=f"the roles are {words}") from None


def parse_size(text: str) -> int:
    """Bytes of "500G", "1.5 TiB", "1000"."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"{text!r} is not a size", cause="sizes look like 500G, 1.5TiB or 1000")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def scope_document(scope: Scope) -> dict[str, Any]:
    return {"repos": scope.repos, "role": scope.role.word, "refs": scope.refs}


def scope_of(value: dict[str, Any]) -> Scope:
    return Scope(value["repos"], Role[value["role"].upper()], value["refs"])


@dataclass(frozen=True, slots=True)
class User:
    """A principal: a person, or a service such as a training box."""

    name: str
    service: bool
    created_us: int

    def encode(self) -> bytes:
        return encode({"name": self.name, "service": self.service, "created_us": self.created_us})

    @classmethod
    def of(cls, value: dict[str, Any]) -> User:
        return cls(value["name"], value["service"], value["created_us"])


@dataclass(frozen=True, slots=True)
class Token:
    """`id` begins its hash and may be shown. Times are microseconds since 1970; None: never."""

    hash: str
    principal: str
    scopes: tuple[Scope, ...] | None
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    note: str = ""

    @property
    def id(self) -> str:
        return self.hash[:12]

    def encode(self) -> bytes:
        scopes = None if self.scopes is None else [scope_document(s) for s in self.scopes]
        return encode(
            {
                "hash": self.hash,
                "principal": self.principal,
                "scopes": scopes,
                "created_us": self.created_us,
                "expires_us": self.expires_us,
                "revoked_us": self.revoked_us,
                "note": self.note,
            }
        )

    @classmethod
    def of(cls, value: dict[str, Any]) -> Token:
        scopes = value["scopes"]
        return cls(
            hash=value["hash"],
            principal=value["principal"],
            scopes=None if scopes is None else tuple(scope_of(s) for s in scopes),
            created_us=value["created_us"],
            expires_us=value["expires_us"],
            revoked_us=value["revoked_us"],
            note=value["note"],
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal's role in the repositories that a glob names."""

    principal: str
    scope: Scope

    def encode(self) -> bytes:
        return encode({"principal": self.principal, **scope_document(self.scope)})

    @classmethod
    def of(cls, value: dict[str, Any]) -> Grant:
        return cls(value["principal"], scope_of(value))


@dataclass(frozen=True, slots=True)
class ProtectionRule:
    """Protection of the refs that a glob names; where several match, all of them bind.

    `allow`: the principals that may touch them at all, None: whoever's role suffices. `signers`: the text of an
    allowed-signers file; with it, new versions must bear a good signature.
    """

    repos: str = ANY
    refs: str = ANY
    no_delete: bool = True
    fast_forward: bool = True
    allow: tuple[str, ...] | None = None
    signers: str | None = None

    def covers(self, repo: str, ref: str) -> bool:
        return matches(self.repos, repo) and matches(self.refs, ref)

    def document(self) -> dict[str, Any]:
        return {
            "repos": self.repos,
            "refs": self.refs,
            "no_delete": self.no_delete,
            "fast_forward": self.fast_forward,
            "allow": None if self.allow is None else list(self.allow),
            "signers": self.signers,
        }

    def encode(self) -> bytes:
        return encode(self.document())

    @classmethod
    def of(cls, value: dict[str, Any]) -> ProtectionRule:
        allow = value["allow"]
        return cls(
            repos=value["repos"],
            refs=value["refs"],
            no_delete=value["no_delete"],
            fast_forward=value["fast_forward"],
            allow=None if allow is None else tuple(allow),
            signers=value["signers"],
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` bytes in each repository that a glob names: on disk, or (`principal`) pushed by one."""

    repos: str
    principal: str | None
    limit: int

    def covers(self, repo: str, principal: str) -> bool:
        return matches(self.repos, repo) and self.principal in (None, principal)

    def document(self) -> dict[str, Any]:
        return {"repos": self.repos, "principal": self.principal, "limit": self.limit}

    def encode(self) -> bytes:
        return encode(self.document())

    @classmethod
    def of(cls, value: dict[str, Any]) -> Quota:
        return cls(value["repos"], value["principal"], value["limit"])


@dataclass(frozen=True, slots=True)
class HostedRepository:
    """A repository of the server. `id` is its store's; `place` says where in a bucket that is
    (STATELESS.md)."""

    name: str
    id: str
    created_us: int
    place: str = ""

    def encode(self) -> bytes:
        fields = {"name": self.name, "id": self.id, "created_us": self.created_us}
        return encode({**fields, "place": self.place} if self.place else fields)

    @classmethod
    def of(cls, value: dict[str, Any]) -> HostedRepository:
        return cls(value["name"], value["id"], value["created_us"], value.get("place", ""))


def covering(rules: Iterable[ProtectionRule], repo: str, ref: str) -> list[ProtectionRule]:
    return [rule for rule in rules if rule.covers(repo, ref)]
