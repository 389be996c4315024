"""The accounts of a team server, changed where they are: what `mvc admin` and `mvc audit` do.

Works on the server's directory or bucket, whether a server runs there or not; a running one obeys at its next
call.
"""

from __future__ import annotations

import getpass
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar

from mvc.api.audit import AuditEntry, AuditState, check_audit, read_audit
from mvc.api.credentials import kept_for
from mvc.api.public import made_from, public
from mvc.api.results import CollectReport, Monitor, OptimizeReport, VerifyReport
from mvcd.errors import UsageError
from mvcd.monitor import Silent
from mvcd.repo.care.gc import collect_store
from mvcd.repo.care.optimize import optimize_store
from mvcd.repo.care.verify import verify_apart, verify_store
from mvcd.store.stores import is_bucket
from mvcd.team import records
from mvcd.team.auditlog import By
from mvcd.team.roles import Scope
from mvcd.team.root import Root
from mvcd.team.seals import key_path

if TYPE_CHECKING:
    from mvcd.store.api import Store

_AGE = re.compile(r"([0-9]{1,5})\s*(h|d|w)")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
T = TypeVar("T")
_KEEP = timedelta(days=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(us: int) -> datetime:
    """On the clock of whoever looks: the accounts store records no zone."""
    return (_EPOCH + timedelta(microseconds=us)).astimezone()


def _time_or_none(us: int | None) -> datetime | None:
    return None if us is None else _time(us)


@made_from(created=lambda user: _time(user.created_us))
@dataclass(frozen=True, slots=True)
class Account:
    """A principal of a team server: a person, or a service such as a training box."""

    name: str
    service: bool
    created: datetime
    certificates: tuple[str, ...] = ()


@made_from(role="role.word")
@dataclass(frozen=True, slots=True)
class TokenScope:
    """Limits of a token: a role ("read" ... "admin") in the repositories and refs of two globs."""

    repos: str
    role: str
    refs: str


@made_from(
    user="principal",
    created=lambda token: _time(token.created_us),
    expires=lambda token: _time_or_none(token.expires_us),
    revoked=lambda token: _time_or_none(token.revoked_us),
)
@dataclass(frozen=True, slots=True)
class AccountToken:
    """A token without its secret, which is stored nowhere. `scopes` is None if it may do all that its user may.

    `last_used` is exact to the hour, None: never.
    """

    id: str
    user: str
    scopes: tuple[TokenScope, ...] | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    note: str

    @property
    def state(self) -> str:
        """State of the token: "good", "expired" or "revoked"."""
        if self.revoked is not None:
            return "revoked"
        return (
            "expired" if self.expires is not None and self.expires <= datetime.now(UTC) else "good"
        )


@made_from("scope", user="principal", role="scope.role.word")
@dataclass(frozen=True, slots=True)
class AccountGrant:
    """A user's role in the repositories and refs of two globs."""

    user: str
    role: str
    repos: str
    refs: str


@dataclass(frozen=True, slots=True)
class RefRule:
    """Protection of refs. `allow` is None if no list restricts them; `signers` is the text of an
    allowed-signers file, None if unsigned versions are accepted."""

    repos: str
    refs: str
    no_delete: bool
    fast_forward: bool
    allow: tuple[str, ...] | None
    signers: str | None


@made_from(user="principal")
@dataclass(frozen=True, slots=True)
class StorageQuota:
    """Limit of `limit` bytes in each repository: on disk, or pushed by `user`."""

    repos: str
    user: str | None
    limit: int


@made_from(created=lambda hosted: _time(hosted.created_us))
@dataclass(frozen=True, slots=True)
class HostedRepository:
    """A repository of a team server."""

    name: str
    id: str
    created: datetime


class TeamServer:
    """The root of a team server. `root`: the path of a directory or the address of a bucket, else `MVC_ROOT`,
    else the current directory.

    Raises Failure(kind="no-server-root").
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._hold(_opened(root or os.environ.get("MVC_ROOT") or "."), _operator)

    @classmethod
    def _around(cls, root: Root, by: Callable[[], By]) -> Self:
        """The accounts of a root that is open, and stays its owner's to close; `by` says who acts."""
        self = cls.__new__(cls)
        self._hold(root, by)
        return self

    def _hold(self, root: Root, by: Callable[[], By]) -> None:
        self._root, self._accounts, self._by = root, root.accounts, by

    @property
    def path(self) -> str:
        """The directory of the server, or its address in a bucket."""
        return self._root.path

    def close(self) -> None:
        """Releases the accounts. The object cannot be used afterwards."""
        self._root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---------------------------------------------------------------- users

    def users(self) -> list[Account]:
        """Lists the users."""
        owners = self._accounts.certificates()
        return [
            public(Account, user, certificates=_owned(owners, user.name))
            for user in self._accounts.users()
        ]

    def add_user(
        self, name: str, *, service: bool = False, certificates: Iterable[str] = ()
    ) -> Account:
        """Adds a user. `certificates`: names in client certificates (mTLS) that also identify the user."""
        by = self._by()
        made = self._accounts.add_user(by, name, service=service)
        for certificate in certificates:
            self._accounts.set_certificate(by, certificate, name)
        owners = self._accounts.certificates()
        return public(Account, made, certificates=_owned(owners, name))

    def remove_user(self, name: str) -> None:
        """Removes a user, with tokens, grants, quotas and certificates."""
        self._accounts.remove_user(self._by(), name)

    def add_certificate(self, user: str, certificate: str) -> None:
        """Adds a name in client certificates (mTLS) that also identifies the user."""
        self._accounts.set_certificate(self._by(), certificate, user)

    def remove_certificate(self, certificate: str) -> None:
        """Removes a name in client certificates, so that it identifies nobody."""
        self._accounts.remove_certificate(self._by(), certificate)

    # ---------------------------------------------------------------- tokens

    def tokens(self, user: str | None = None) -> list[AccountToken]:
        """Lists the tokens of `user`, or of all."""
        return [self._token(token) for token in self._accounts.tokens(user)]

    def add_token(
        self,
        user: str,
        *,
        role: str | None = None,
        repos: str | None = None,
        refs: str | None = None,
        expires: str | None = None,
        note: str = "",
    ) -> tuple[str, AccountToken]:
        """Makes a token; returns its secret, this once, and what is stored of it. With `role`, `repos` or
        `refs` the token may do less than its user. `expires`: "90d", "12h", "2w", or a date."""
        scopes = None
        if role is not None or repos is not None or refs is not None:
            scopes = [Scope(repos or "**", records.parse_role(role or "admin"), refs or "**")]
        by = self._by()
        secret, token = self._accounts.add_token(
            by, user, scopes=scopes, expires_us=_expiry(expires, by.time_us), note=note
        )
        return secret, self._token(token)

    def revoke_token(self, id: str) -> AccountToken:
        """Revokes a token at once. `id` may be abbreviated."""
        return self._token(self._accounts.revoke_token(self._by(), id))

    def _token(self, token: records.Token) -> AccountToken:
        used = self._accounts.last_used_us(token)
        return public(AccountToken, token, last_used=_time_or_none(used))

    # ---------------------------------------------------------------- grants, rules, quotas

    def grants(self, user: str | None = None) -> list[AccountGrant]:
        """Lists the grants of `user`, or of all."""
        return [public(AccountGrant, grant) for grant in self._accounts.grants(user)]

    def grant(self, user: str, role: str, *, repos: str = "**", refs: str = "**") -> AccountGrant:
        """Gives a role, replacing the user's grant for the same `repos` and `refs`. If several grants match,
        the highest role counts."""
        scope = Scope(repos, records.parse_role(role), refs)
        self._accounts.set_grant(self._by(), user, scope)
        return AccountGrant(user, scope.role.word, repos, refs)

    def ungrant(self, user: str, *, repos: str = "**", refs: str | None = None) -> None:
        """Takes a grant back; without `refs`, all grants for `repos`."""
        self._accounts.remove_grant(self._by(), user, repos, refs)

    def rules(self) -> list[RefRule]:
        """Lists the rules that protect refs."""
        return [public(RefRule, rule) for rule in self._accounts.rules()]

    def protect(
        self,
        refs: str,
        *,
        repos: str = "**",
        no_delete: bool = True,
        fast_forward: bool = True,
        allow: Sequence[str] | None = None,
        signers: str | None = None,
    ) -> RefRule:
        """Protects refs, replacing the rule for the same `repos` and `refs`. If several rules match a ref, all
        of them apply."""
        if signers is not None and len(signers.encode()) > records.MAX_SIGNERS_BYTES:
            raise UsageError(
                f"an allowed-signers file has at most {records.MAX_SIGNERS_BYTES} bytes here"
            )
        rule = records.ProtectionRule(
            repos=repos,
            refs=refs,
            no_delete=no_delete,
            fast_forward=fast_forward,
            allow=None if allow is None else tuple(allow),
            signers=signers,
        )
        self._accounts.set_rule(self._by(), rule)
        return public(RefRule, rule)

    def unprotect(self, refs: str, *, repos: str = "**") -> None:
        """Removes a rule."""
        self._accounts.remove_rule(self._by(), repos, refs)

    def quotas(self) -> list[StorageQuota]:
        """Lists the quotas."""
        return [public(StorageQuota, quota) for quota in self._accounts.quotas()]

    def set_quota(
        self, limit: int | str, *, repos: str = "**", user: str | None = None
    ) -> StorageQuota:
        """Sets a quota. `limit`: bytes, or a size like "500G"."""
        size = records.parse_size(limit) if isinstance(limit, str) else limit
        self._accounts.set_quota(self._by(), records.Quota(repos, user, size))
        return StorageQuota(repos, user, size)

    def remove_quota(self, *, repos: str = "**", user: str | None = None) -> None:
        """Removes a quota."""
        self._accounts.remove_quota(self._by(), repos, user)

    # ---------------------------------------------------------------- repositories

    def repositories(self) -> list[HostedRepository]:
        """Lists the repositories."""
        return [public(HostedRepository, hosted) for hosted in self._accounts.repositories()]

    def add_repository(self, name: str) -> HostedRepository:
        """Makes an empty repository, to be pushed to."""
        return public(HostedRepository, self._root.create_repository(self._by(), name))

    def remove_repository(self, name: str) -> str:
        """Unlists a repository at once; returns the directory to which its files were moved, in a bucket the
        address at which its objects stay."""
        return self._root.remove_repository(self._by(), name)

    def gc(
        self,
        name: str,
        *,
        dry_run: bool = False,
        expire_operations: timedelta | None = None,
        monitor: Monitor | None = None,
    ) -> CollectReport:
        """Frees content of a repository here, like `Repo.gc`; the server may run."""
        age = _KEEP if expire_operations is None else expire_operations
        now = self._by().time_us
        oldest = now - age // timedelta(microseconds=1)
        with self._root.open_repository(name) as store:
            return collect_store(
                store, dry_run=dry_run, oldest_us=oldest, now_us=now, monitor=monitor or Silent()
            )

    def optimize(
        self, name: str, *, dry_run: bool = False, monitor: Monitor | None = None
    ) -> OptimizeReport:
        """Stores what a repository here has in fewer bytes, like `Repo.optimize`; the server may run."""
        with self._root.open_repository(name) as store:
            return optimize_store(store, dry_run=dry_run, monitor=monitor or Silent())

    def verify(
        self,
        name: str,
        *,
        read_data: bool = True,
        sample: float = 1.0,
        monitor: Monitor | None = None,
    ) -> VerifyReport:
        """Verifies a repository here, like `Repo.verify`, and its audit log."""
        monitor = monitor or Silent()
        path = self._root.listed_path(name)
        if is_bucket(path):
            with self._root.open_repository(name) as store:
                report = verify_store(
                    store, read_data=read_data, sample=sample, monitor=monitor, partial=False
                )
        else:
            report = verify_apart(
                path, read_data=read_data, sample=sample, monitor=monitor, partial=False
            )
        return public(VerifyReport, report)

    # ---------------------------------------------------------------- the audit log

    def audit(self, *, repo: str | None = None, limit: int | None = None) -> list[AuditEntry]:
        """Reads the last `limit` rows of the audit log of the accounts, or of a repository; oldest first."""
        return self._with_log(repo, lambda store: read_audit(store, limit))

    def verify_audit(
        self, *, repo: str | None = None, seal: str | None = None, key: str | None = None
    ) -> AuditState:
        """Follows the chain of an audit log, like `Repo.audit_check`; without `key`, the server's own key
        counts."""

        own = f"{key_path(self._root.path)}.pub"  # in a bucket there is none
        own_key = own if os.path.exists(own) else None
        return self._with_log(
            repo, lambda store: check_audit(store, seal, id=store.id, key=key, own=own_key)
        )

    def _with_log(self, repo: str | None, look: Callable[[Store], T]) -> T:
        if repo is None:
            return look(self._root.store)
        store: Store
        with self._root.open_repository(repo) as store:
            return look(store)


def _opened(root: str | os.PathLike[str]) -> Root:
    if not is_bucket(root):
        return Root.open(root)
    from mvcd.team.bucketroot import BucketRoot  # late: start-up

    address = os.fspath(root)
    return BucketRoot.open(address, kept_for(address))


def _operator() -> By:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = str(os.getuid())
    return By(f"operator {login}@{os.uname().nodename}", time.time_ns() // 1000)


def _expiry(text: str | None, now_us: int) -> int | None:
    if text is None:
        return None
    if match := _AGE.fullmatch(text.strip()):
        delta = timedelta(**{_UNITS[match[2]]: int(match[1])})
        return now_us + delta // timedelta(microseconds=1)
    try:
        at = datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise UsageError(
            f"{text!r} is no time to expire at",
            cause="write 12h, 90d, 2w, or a date like 2027-06-30",
        ) from None
    return (at - _EPOCH) // timedelta(microseconds=1)


def _owned(owners: dict[str, str], user: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, owner in owners.items() if owner == user))
