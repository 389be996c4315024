"""The directory of a team server.

DIR/repos/NAME/     one store a repository, no workspace; names may have slashes
DIR/accounts/       the accounts, in a store of their own
DIR/admin.token     the first administrator's token, 0600, made at the first start
DIR/seal.key, .pub  what the server seals its logs with, if it does (seals.py)
DIR/uploads/        what came over HTTP and waits for its commit (mvcd/hub/spool.py)
DIR/removed/        repositories that were removed; delete them when nobody misses them
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import Self

from mvcd.disk.renames import move_durably
from mvcd.disk.replace import replace_file
from mvcd.errors import Failure, NoRepository, UsageError
from mvcd.store.api import Store
from mvcd.store.stores import create_store, is_bucket, open_store
from mvcd.team.accounts import Accounts, new_secret
from mvcd.team.auditlog import By
from mvcd.team.records import HostedRepository
from mvcd.team.roles import Role, Scope
from mvcd.team.unfinished import require_finished

_OWN = frozenset(
    {
        "accounts",
        "repos",
        "removed",
        "uploads",
        "admin.token",
        "seal.key",
        "seal.key.pub",
        "serve.lock",
        "lost+found",
    }
)
ADMIN = "admin"
MAX_NAME_CHARACTERS = 200
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RESERVED = re.compile(r".*\.(lock|new|old|tmp)")


def require_repository_name(name: str) -> str:
    """The name. Raises UsageError unless it may name a repository: it becomes a path on the server."""
    segments = name.split("/")
    bad = len(name) > MAX_NAME_CHARACTERS or any(
        not _SEGMENT.fullmatch(segment) or _RESERVED.fullmatch(segment) for segment in segments
    )
    if bad:
        raise UsageError(
            f"{name!r} cannot name a repository",
            cause="names are words of letters, digits and . _ -, joined by /, like team/iris",
        )
    return name


def make_private(path: str) -> None:
    """Makes the directory, or what is there 0700: it holds tokens' hashes, everybody's content and the log.
    Raises Failure when that is not ours to do."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.stat(path)
        mode = stat.S_IMODE(found.st_mode)
        if not mode & 0o077:
            return
        others = sorted(set(os.listdir(path)) - _OWN)
        ours = os.path.exists(os.path.join(path, "accounts", "format"))
        if others and not ours:
            raise Failure(
                f"{path} is open to others, and holds what is not a server's",
                kind="root",
                cause=f"its mode is {mode:04o}, and there is {others[0]}",
                help=f"name a new directory: --root {os.path.join(path, 'mvc')}  (or: chmod 700 {path})",
            )
        os.chmod(path, 0o700)
    except OSError as error:
        raise Failure(
            f"{path} cannot be kept from others",
            kind="root",
            cause=f"{error.strerror}; a server's directory must be its own alone (0700)",
            help=f"chown and chmod 700 {path}, or name a new directory: --root DIR",
        ) from None


def require_directory(address: str | os.PathLike[str], what: str) -> None:
    """Raises Failure where a root is in a bucket, which cannot be `what`."""
    if is_bucket(address):
        raise Failure(
            f"{os.fspath(address)} is a bucket, and cannot be {what} here",
            kind="not-supported",
            cause="this is for a server's directory",
            help="mvc admin copy FROM TO  (copies the bucket; or keep versions of its objects)",
        )


class Root:
    """An open server directory. Close it, or use it in a `with`."""

    def __init__(self, path: str, accounts: Store) -> None:
        self.path = path
        self.accounts = Accounts(accounts)
        self.store = accounts
        """Of the accounts."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Raises Failure(kind="no-server-root") when it is none, and with kind="unfinished-copy"."""
        path = os.path.abspath(path)
        accounts = os.path.join(path, "accounts")
        if not os.path.exists(os.path.join(accounts, "format")):
            raise Failure(
                f"{path} is not the directory of a team server",
                kind="no-server-root",
                cause="it has no accounts",
                help=f"mvcd serve --root {path}  (makes one), or name the right one: --root DIR",
            )
        store = open_store(accounts)
        require_finished(store, path)
        return cls(path, store)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """A new one, or the one that is there. Raises what opening it does."""
        path = os.path.abspath(path)
        make_private(path)
        os.makedirs(os.path.join(path, "repos"), mode=0o700, exist_ok=True)
        with suppress(Failure):
            create_store(os.path.join(path, "accounts")).close()
        return cls.open(path)

    @property
    def admin_token(self) -> str:
        return os.path.join(self.path, "admin.token")

    def first_start(self, by: By) -> str | None:
        """Makes the administrator and a token in `admin_token`, 0600; its path, or None when there were tokens.

        The file comes before the token that it holds, so a start that was cut short anywhere is made good by
        the next.
        """
        if self.accounts.tokens() or any(user.name != ADMIN for user in self.accounts.users()):
            return None
        if self.accounts.user(ADMIN) is None:
            self.accounts.add_user(by, ADMIN)
        self.accounts.set_grant(by, ADMIN, Scope(role=Role.ADMIN))
        secret = new_secret()
        replace_file(self.admin_token, f"{secret}\n".encode(), secret=True)
        self.accounts.add_token(by, ADMIN, note="made at the first start", secret=secret)
        return self.admin_token

    @property
    def uploads(self) -> str:
        return os.path.join(self.path, "uploads")

    # ------------------------------------------------------------------ repositories

    def repository_path(self, name: str) -> str:
        return os.path.join(self.path, "repos", *require_repository_name(name).split("/"))

    def create_repository(self, by: By, name: str) -> HostedRepository:
        """An empty one. Raises Failure(kind="exists"), also where one repository would lie inside another."""
        path = self.repository_path(name)
        self._require_free(name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(path, "format")):  # or a creation was cut short here
            create_store(path).close()
        with open_store(path) as store:
            hosted = HostedRepository(name, store.id, by.time_us)
        self.accounts.add_repository(by, hosted)
        return hosted

    def _require_free(self, name: str) -> None:
        others = [hosted.name for hosted in self.accounts.repositories()]
        nested = [o for o in others if o.startswith(f"{name}/") or name.startswith(f"{o}/")]
        if name in others or nested:
            raise Failure(
                f"there is a repository {(nested or [name])[0]!r} already",
                kind="exists",
                cause="no repository can lie inside another" if nested else None,
            )

    def remove_repository(self, by: By, name: str) -> str:
        """Unlists it, which every call from then on obeys; its files are put aside under the path answered."""
        hosted = self.accounts.repository(require_repository_name(name))
        if hosted is None:
            raise NoRepository(
                f"there is no repository {name!r}",
                kind="no-such-repository",
                help="mvc admin repo list",
            )
        self.accounts.remove_repository(by, name)
        aside = os.path.join(self.path, "removed", hosted.id)
        os.makedirs(os.path.dirname(aside), mode=0o700, exist_ok=True)
        move_durably(self.repository_path(name), aside)
        return aside

    def open_repository(self, name: str) -> Store:
        """A repository's store, to look at as it is. Raises NoRepository; what the store raises."""
        return open_store(self.listed_path(name), as_it_is=True)

    def listed_path(self, name: str) -> str:
        """The store's directory of a repository that is listed, whether it opens or not. Raises
        NoRepository."""
        if self.accounts.repository(require_repository_name(name)) is None:
            raise NoRepository(
                f"there is no repository {name!r}",
                kind="no-such-repository",
                help="mvc admin repo list",
            )
        return self.repository_path(name)

    def refresh(self) -> None:
        """Sees to it that the accounts are told as they are now: here they always are."""

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
