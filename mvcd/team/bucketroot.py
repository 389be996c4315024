"""The root of a team server in a bucket, which any number of servers share (STATELESS.md).

PREFIX/accounts/            the accounts, in a store of their own
PREFIX/repos/NAME/PLACE/    one store a repository; PLACE is random, so no two repositories ever share one
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from typing import Self

from mvcd.disk.renames import move_durably
from mvcd.disk.replace import replace_file
from mvcd.errors import Conflict, Failure, NoRepository
from mvcd.store.api import LookedStore, RefUpdate, Store
from mvcd.store.stores import open_bucket, open_served
from mvcd.team.accounts import hash_of, new_secret
from mvcd.team.auditlog import By
from mvcd.team.records import Grant, HostedRepository, Token, User, key
from mvcd.team.roles import Role, Scope
from mvcd.team.root import ADMIN, Root, require_repository_name
from mvcd.team.unfinished import require_finished

FIRST_START = "server.first-start"
"""The action of the row with which the administrator begins."""


class BucketRoot(Root):
    """An open root in a bucket. `path` is its address; `options` are those of `stores.open_bucket`."""

    store: LookedStore

    def __init__(
        self, path: str, accounts: LookedStore, options: Mapping[str, str], token_file: str | None
    ) -> None:
        super().__init__(path, accounts)
        self.store = accounts
        self.options = {**options, **accounts.bucket_options}
        self._token_file = token_file

    @classmethod
    def open(cls, path: str | os.PathLike[str], options: Mapping[str, str] | None = None) -> Self:
        """Raises Failure(kind="no-server-root") when there is none, and with kind="unfinished-copy"; what
        reading a bucket raises."""
        address, given = _address(path), options or {}
        try:
            accounts = open_served(f"{address}/accounts", given)
        except Failure as error:
            if error.kind not in ("no-store", "no-such-bucket"):
                raise
            raise Failure(
                f"{address} is not the root of a team server",
                kind="no-server-root",
                cause="it has no accounts",
                help=f"mvcd serve --root {address}  (makes one), or name the right one: --root URL",
            ) from error
        require_finished(accounts, address)
        return cls(address, accounts, given, None)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        options: Mapping[str, str] | None = None,
        *,
        token_file: str | None = None,
    ) -> Self:
        """A new one, or the one that is there. `token_file` is a local file for `first_start`."""
        address, given = _address(path), options or {}
        accounts = open_served(f"{address}/accounts", given, begin=address)
        require_finished(accounts, address)
        return cls(address, accounts, given, token_file)

    @property
    def admin_token(self) -> str:
        """A local file. Raises Failure where none was named: no token rests in a bucket."""
        if self._token_file is None:
            raise self._needs_disk("a token's file")
        return self._token_file

    def first_start(self, by: By) -> str | None:
        """Makes the administrator and a token in `admin_token`, 0600; its path, or None when there was somebody
        before.

        All is one commit, which expects that there is no administrator: of servers that start at once one
        makes them. The file comes before, so a start that was cut short is made good by the next.
        """
        if self.accounts.tokens() or self.accounts.users():
            return None
        path, secret = self.admin_token, new_secret()
        token = Token(
            hash_of(secret), ADMIN, None, by.time_us, None, None, "made at the first start"
        )
        grant = Grant(ADMIN, Scope(role=Role.ADMIN))
        updates = [
            RefUpdate(key("users", ADMIN), None, User(ADMIN, False, by.time_us).encode()),
            RefUpdate(
                key("grants", ADMIN, grant.scope.repos, grant.scope.refs), None, grant.encode()
            ),
            RefUpdate(key("tokens", token.hash), None, token.encode()),
        ]
        draft = f"{path}.{secrets.token_hex(4)}"  # servers of one machine may name one file
        replace_file(draft, f"{secret}\n".encode(), secret=True)
        row = by.row(FIRST_START, {"user": ADMIN, "role": Role.ADMIN.word, "id": token.id})
        try:
            with self.store.session() as session:
                session.commit(updates, audit=row)
        except Conflict:
            os.unlink(draft)
            return None
        move_durably(draft, path)
        return path

    # ------------------------------------------------------------------ repositories

    def create_repository(self, by: By, name: str) -> HostedRepository:
        """An empty one. Raises Failure(kind="exists"), also where one repository would lie inside another."""
        self._require_free(require_repository_name(name))
        place = f"{name}/{secrets.token_hex(8)}"
        with self._begun(place) as store:
            hosted = HostedRepository(name, store.id, by.time_us, place)
        self.accounts.add_repository(by, hosted)
        return hosted

    def _begun(self, place: str) -> LookedStore:
        return open_served(self._address_of(place), self.options, begin=self.path, probed=True)

    def remove_repository(self, by: By, name: str) -> str:
        """Unlists it, which every server obeys from the next call on; what it holds stays where it is, at the
        address answered."""
        hosted = self._listed(name)
        self.accounts.remove_repository(by, name)
        return self._address_of(hosted.place)

    def open_repository(self, name: str) -> Store:
        """A repository's store. Raises NoRepository; what the store raises."""
        return open_bucket(self.listed_path(name), self.options)

    def serve_repository(self, hosted: HostedRepository) -> LookedStore:
        """The same for a server, which has it open for many calls."""
        return open_served(self._address_of(hosted.place), self.options)

    def repository_path(self, name: str) -> str:
        """The address of a repository's store. Raises NoRepository."""
        return self.listed_path(name)

    def listed_path(self, name: str) -> str:
        """The address of a repository's store. Raises NoRepository."""
        return self._address_of(self._listed(name).place)

    @property
    def uploads(self) -> str:
        """Raises Failure: uploads wait on a disk."""
        raise self._needs_disk("what clients of the Hub upload")

    def refresh(self) -> None:
        """Looks at the accounts. Raises what reading a bucket raises."""
        self.store.look_since(time.monotonic())

    # ------------------------------------------------------------------ collections

    def claim_collection(self, repo: str, now_us: int, each_us: int) -> bool:
        """Whether a repository is this process's to collect: nobody, on any server, had it within `each_us`.
        Raises what writing the bucket raises."""
        name = key("tidied", repo)
        before = self.store.ref(name)
        if before is not None and 0 <= now_us - int(json.loads(before)) < each_us:
            return False
        try:
            self.store.update_refs([RefUpdate(name, before, json.dumps(now_us).encode())])
        except Conflict:
            return False  # another server was faster
        return True

    # ------------------------------------------------------------------ inside

    def _listed(self, name: str) -> HostedRepository:
        hosted = self.accounts.repository(require_repository_name(name))
        if hosted is None:
            raise NoRepository(
                f"there is no repository {name!r}",
                kind="no-such-repository",
                help="mvc admin repo list",
            )
        return hosted

    def _address_of(self, place: str) -> str:
        return f"{self.path}/repos/{place}"

    def _needs_disk(self, what: str) -> Failure:
        return Failure(
            f"{self.path} is a bucket, and {what} needs a disk",
            kind="not-supported",
            help="mvcd serve --root DIR  (a server with a directory)",
        )


def _address(path: str | os.PathLike[str]) -> str:
    return os.fspath(path).rstrip("/")
