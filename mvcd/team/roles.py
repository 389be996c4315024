"""Roles, actions, and `authorize`: the one place that says yes. What it does not know it denies.

    role       may, besides what the roles before it may
    read       see a repository that the grant names
    append     add content; create refs below auto/ and move them forward
    write      create refs, move them forward (an annotation: to one that holds over it); delete or force
               branches and auto/
    maintain   delete or force tags; delete signatures and annotations
    admin      nothing more on the wire; of all repositories and refs (`**`): accounts, on the page
    (sessions.py).
               Else they are changed on the server itself (`mvc admin`)

Protected refs (`values.Rule`) bind every role, admins too: who must break a rule removes it first, and that is
in the audit log. Records of stages are only ever appended, by whomever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from mvcd.errors import AuthError, NoRepository
from mvcd.repo.records.refs import AUTO, HEADS, NOTES, PRUNED, SHARED, SIGNATURES, STAGES
from mvcd.team.globs import ANY, matches


class Role(IntEnum):
    READ = 1
    APPEND = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5

    @property
    def word(self) -> str:
        return self.name.lower()


class Permission(StrEnum):
    READ = "read"
    PUT = "put"
    CREATE = "ref.create"
    ADVANCE = "ref.advance"  # the new version descends from the old one
    FORCE = "ref.force"
    DELETE = "ref.delete"


@dataclass(frozen=True, slots=True)
class Scope:
    """A role on the refs of some repositories: what a grant gives, or a token is cut down to."""

    repos: str = ANY
    role: Role = Role.READ
    refs: str = ANY

    def covers(self, repo: str, ref: str | None) -> bool:
        return matches(self.repos, repo) and (ref is None or matches(self.refs, ref))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: a principal, its grants, and what the token leaves of them.

    `token` is the token's public id, "" for a certificate; `scopes` is None where nothing is cut.
    """

    principal: str
    token: str
    grants: tuple[Scope, ...]
    scopes: tuple[Scope, ...] | None = None

    def role(self, repo: str, ref: str | None = None) -> Role | None:
        """The role on a ref of a repository; without `ref`, the highest on any of its refs."""
        granted = _highest(self.grants, repo, ref)
        if granted is None or self.scopes is None:
            return granted
        left = _highest(self.scopes, repo, ref)
        return None if left is None else min(granted, left)

    def covers_all_refs(self, repo: str) -> bool:
        """Whether one grant, and one scope of the token if it has any, covers every ref of a repository."""
        return all(
            any(scope.refs == ANY and matches(scope.repos, repo) for scope in scopes)
            for scopes in (self.grants, self.scopes)
            if scopes is not None
        )

    @property
    def administers_all(self) -> bool:
        """Whether the role is admin on every ref of every repository, and so may change accounts."""
        return all(
            any(scope == Scope(ANY, Role.ADMIN, ANY) for scope in scopes)
            for scopes in (self.grants, self.scopes)
            if scopes is not None
        )


def _highest(scopes: Iterable[Scope], repo: str, ref: str | None) -> Role | None:
    return max((scope.role for scope in scopes if scope.covers(repo, ref)), default=None)


def authorize(
    identity: Identity | None, action: Permission, repo: str, ref: str | None = None
) -> Role:
    """The role by which `identity` may do this. `ref` is None for what concerns no single ref.

    Raises AuthError(kind="unauthenticated") for nobody; NoRepository, as if there were none, for who may not
    read it; AuthError(kind="scope") otherwise.
    """
    if identity is None:
        raise unauthenticated("no token was given")
    if identity.role(repo) is None:
        raise no_such_repository(repo)
    role = identity.role(repo, ref)
    needed = required(action, ref)
    if role is None or needed is None or role < needed:
        raise _denied(identity, action, repo, ref, needed)
    return role


def required(action: Permission, ref: str | None) -> Role | None:
    """The lowest role that may; None: nobody may."""
    if action is Permission.READ:
        return Role.READ
    if action is Permission.PUT:
        return Role.APPEND
    if ref is None or not ref.startswith(SHARED):
        return None
    if action is Permission.ADVANCE and not ref.startswith((HEADS, AUTO, NOTES)):
        action = Permission.FORCE  # tags, stages and signatures do not move forward: they change
    if action in (Permission.CREATE, Permission.ADVANCE):
        return Role.APPEND if ref.startswith((AUTO, PRUNED)) else Role.WRITE
    if ref.startswith(STAGES) or (
        ref.startswith((SIGNATURES, PRUNED, NOTES)) and action is Permission.FORCE
    ):
        return None
    return Role.WRITE if ref.startswith((HEADS, AUTO)) else Role.MAINTAIN


def require_may_create(identity: Identity, repo: str, patterns: Iterable[str]) -> None:
    """Whether the first push of `identity` may make this repository, which is absent and which it may read. It
    takes the role write on some branch of it, and a pattern of the server's that its name matches. Raises
    NoRepository where the server makes none of that name, AuthError(kind="scope") for too low a role.
    """
    help = f"ask an administrator: mvc admin repo add {repo}"
    if not any(matches(pattern, repo) for pattern in patterns):
        raise NoRepository(
            f"there is no repository {repo!r}",
            kind="no-such-repository",
            cause="it does not exist, and the first push makes none of that name here",
            help=help,
        )
    role = identity.role(repo)
    if role is None or role < Role.WRITE:
        raise AuthError(
            f"{identity.principal} may not make the repository {repo}",
            kind="scope",
            cause=f"it takes the role write; yours there is {role.word if role else 'none'}",
            help=help,
        )


def unauthenticated(cause: str) -> AuthError:
    return AuthError(
        "the server does not know who you are",
        kind="unauthenticated",
        cause=cause,
        help="mvc login URL",
    )


def no_such_repository(repo: str) -> NoRepository:
    """The answer for absent and for hidden repositories alike."""
    return NoRepository(
        f"there is no repository {repo!r}",
        kind="no-such-repository",
        cause="it does not exist, or you may not read it",
        help="mvc whoami",
    )


def _denied(
    identity: Identity, action: Permission, repo: str, ref: str | None, needed: Role | None
) -> AuthError:
    what = action.value if ref is None else f"{action.value} of {ref}"
    held = identity.role(repo, ref)
    return AuthError(
        f"{identity.principal} may not do this in {repo}: {what}",
        kind="scope",
        cause="nobody may"
        if needed is None
        else f"it takes the role {needed.word}; yours there is {held.word if held else 'none'}",
        help=None if needed is None else _way_to(identity, needed, repo, ref),
    )


def _way_to(identity: Identity, needed: Role, repo: str, ref: str | None) -> str:
    """What an administrator types so that it may be done: a grant, or a token that is cut down less."""
    granted = _highest(identity.grants, repo, ref)
    if granted is not None and granted >= needed:
        return f"ask an administrator for another token: mvc admin token add {identity.principal}"
    return f"ask an administrator: mvc admin grant add {identity.principal} {needed.word} --repos {repo}"
