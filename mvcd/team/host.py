"""A team's repositories behind `mvcd.wire.host.Host`: who calls is found out anew for each call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from mvcd.disk.room import RESERVE_BYTES
from mvcd.errors import Busy, Conflict, Failure, NoRepository, UsageError
from mvcd.monitor import Silent
from mvcd.repo.care.gc import collect_store
from mvcd.repo.records import operations
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import SHARED
from mvcd.repo.trust.incoming import Missing
from mvcd.repo.trust.keygen import Keygen
from mvcd.store.api import Store
from mvcd.store.opened import MAX_PACKS, OpenedByName, room
from mvcd.store.stores import open_store
from mvcd.team.auditlog import By, ref_changes
from mvcd.team.globs import require_glob
from mvcd.team.known import KnownAccounts
from mvcd.team.policy import Judge
from mvcd.team.records import Quota
from mvcd.team.roles import (
    Identity,
    Permission,
    authorize,
    no_such_repository,
    require_may_create,
)
from mvcd.team.root import Root, require_repository_name
from mvcd.team.sessions import WebSession, session_identity
from mvcd.team.usage import UPDATED, Usage
from mvcd.wire import host as wire

log = logging.getLogger("mvcd.team")

PRUNES = "prune"
"""The verb of an operation by which a repository lets go of content; what is pushed has another."""
NEEDED = {
    wire.Access.READ: Permission.READ,
    wire.Access.CREATE: Permission.READ,  # whether one is made is judged apart
    wire.Access.WATCH: Permission.READ,
    wire.Access.PUT: Permission.PUT,
    wire.Access.UPDATE: Permission.PUT,  # which refs it may move is judged one by one
}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Open:
    """A repository as it is kept open between calls: one of each, as long as a call has it."""

    id: str
    store: Store
    usage: Usage


class TeamHost:
    """See `mvcd.wire.host.Host`. Owns what it opens; `root` stays the caller's.

    `now_us` is the server's clock, microseconds since 1970; `keygen` checks signatures where a rule demands
    them. `create` are globs: a repository of such a name is made by the first push of whoever has the role
    write there.
    """

    def __init__(
        self,
        root: Root,
        now_us: Callable[[], int],
        keygen: Keygen | None = None,
        create: Sequence[str] = (),
        *,
        most: int | None = None,
    ) -> None:
        """`most` stores are open between calls, else as many as there are descriptors for."""
        self.root = root
        self.known = KnownAccounts(root.accounts)
        self.create = tuple(require_glob(pattern, "repositories") for pattern in create)
        self.now_us = now_us
        self.keygen = keygen or Keygen()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._owing: set[str] = set()
        self._open = OpenedByName(
            self._opened,
            busy=lambda found: found.usage.pending,
            let_go=lambda found: found.usage.save(),
            most=room() if most is None else min(most, room()),
        )

    def open(self, repo: str, caller: wire.Caller, action: wire.Access) -> TeamRepository:
        """Raises AuthError(kind="unauthenticated") for nobody, whatever `repo` is; NoRepository for what is not
        there or not to be read; AuthError(kind="scope")."""
        identity = self.identity(caller)
        role = authorize(identity, NEEDED[action], repo)
        if action is wire.Access.CREATE:
            self._require_made(repo, identity, caller)
        found = self._repository(repo)
        return self._hosted(repo, found, identity, role.word, caller.peer)

    def _hosted(
        self, name: str, found: Open, identity: Identity, role: str, peer: str
    ) -> TeamRepository:
        return TeamRepository(self, name, found, identity, role, peer)

    def _require_made(self, name: str, identity: Identity, caller: wire.Caller) -> None:
        """Makes the repository of a first push if it is absent, in one row of the audit log by the caller's
        name. Of two at once, one makes it, and both find it. Raises what keeps it from being made, to who may
        read it."""
        accounts = self.root.accounts
        if accounts.repository(require_repository_name(name)) is not None:
            return
        require_may_create(identity, name, self.create)
        by = By(identity.principal, self.now_us(), caller.peer, identity.token)
        with self._making:
            try:
                self.root.create_repository(by, name)
            except (
                Conflict,
                Failure,
            ):  # another process makes repositories too (mvc admin repo add)
                if accounts.repository(name) is None:
                    raise
            else:
                log.info("created", extra={"fields": {"repo": name, "by": identity.principal}})

    def identity(self, caller: wire.Caller) -> Identity:
        """Who calls. Raises AuthError(kind="unauthenticated")."""
        return self.recognise(caller)[0]

    def recognise(self, caller: wire.Caller) -> tuple[Identity, WebSession | None]:
        """Who calls, and the session that tells, if one does. Raises AuthError(kind="unauthenticated")."""
        now = self.now_us()
        if caller.session is not None:
            return session_identity(self.root.accounts, caller.session, now)
        return self.known.identify(caller.token, caller.certificate, now), None

    @property
    def admitter(self) -> wire.Admitter:
        return self

    @property
    def caretaker(self) -> wire.Caretaker:
        return self

    def admit(self, caller: wire.Caller) -> str:
        """See `mvcd.wire.host.Admitter`."""
        return self.identity(caller).principal

    def admit_now(self, caller: wire.Caller) -> str | None:
        """See `mvcd.wire.host.Admitter`."""
        if caller.session is not None or caller.token is None:
            return None
        found = self.known.identify_now(caller.token, self.now_us())
        return None if found is None else found.principal

    def untidy(self) -> set[str]:
        """See `mvcd.wire.host.Caretaker`."""
        with self._lock:
            owing, self._owing = self._owing, set()
            return owing

    def leave_untidy(self, repo: str) -> None:
        """Tells the caretaker that something was put there that no ref will name."""
        with self._lock:
            self._owing.add(repo)

    def tidy(self, repo: str, owners: Collection[str]) -> bool:
        """See `mvcd.wire.host.Caretaker`. Keeps all operations, and what they name."""
        try:
            found = self._repository(repo)
        except NoRepository:
            return True  # it was removed meanwhile
        try:
            report = collect_store(
                found.store, dry_run=False, oldest_us=0, now_us=self.now_us(), monitor=Silent()
            )
        except Busy:
            return False
        found.usage.collected(owners)
        log.info(
            "collected",
            extra={
                "fields": {"repo": repo, "objects": report.objects, "freed": report.freed_bytes}
            },
        )
        return True

    def repositories(self) -> int:
        return len(self.root.accounts.repositories())

    def close(self) -> None:
        for found in self._open.drop_all():
            found.usage.save()
            found.store.close()

    def _repository(self, name: str) -> Open:
        try:
            hosted = self.known.repository(require_repository_name(name))
        except UsageError:
            hosted = None
        if hosted is None:
            raise no_such_repository(name)
        return self._open.get(f"{hosted.id} {name}")

    def _opened(self, key: str) -> Open:
        id, name = key.split(" ", 1)
        path = self.root.repository_path(name)
        store = open_store(path, cached=True, pack_files=MAX_PACKS)
        usage = Usage(store)
        if usage.owing:
            with self._lock:
                self._owing.add(name)
        return Open(id, store, usage)


class TeamRepository:
    """One repository for one caller. See `mvcd.wire.host.Hosted`."""

    complete = True

    @property
    def others(self) -> wire.Everywhere | None:
        return None

    def __init__(
        self, host: TeamHost, name: str, found: Open, identity: Identity, role: str, peer: str
    ) -> None:
        self._found = found
        self.store = found.store
        self.repo_id = found.id
        self.principal = identity.principal
        self.role = role
        self._host = host
        self._name = name
        self._usage = found.usage
        self._identity = identity
        self._peer = peer

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def name(self) -> str:
        return self._name

    @property
    def sees_all(self) -> bool:
        """Whether no ref that others may see is hidden from this caller."""
        return self._identity.covers_all_refs(self._name)

    def visible(self, name: str) -> bool:
        return name.startswith(SHARED) and self._identity.role(self._name, name) is not None

    def leave_untidy(self) -> None:
        """What was put here just now was for nothing: it is collected by and by."""
        self._host.leave_untidy(self._name)

    def require_quota(self, size: int) -> None:
        """Raises Failure(kind="quota") where `size` bytes more would be too many; counts nothing."""
        self._usage.require(self.principal, size, self._quotas())

    def check_put(self, size: int) -> None:
        self.store.require_room(size, "what is pushed", reserve=RESERVE_BYTES)
        self._usage.put(self.principal, size, self._quotas())

    def check_update(self, update: wire.Update, missing: Missing) -> wire.Judgement:
        accounts = self._host.root.accounts
        judge = Judge(self._identity, self._name, self.store, accounts.rules(), self._host.keygen)
        judge.judge(update.updates, update.force, missing, prunes=update.verb == PRUNES)
        now = self._host.now_us()
        context = Context(author=update.author or self.principal, time_us=now)
        operation = operations.encode(
            context, update.verb, update.detail, update.updates, undoes=update.undoes
        )
        by = By(self.principal, now, self._peer, self._identity.token, update.request_id)
        detail = {
            "repo": self._name,
            "refs": ref_changes(update.updates),
            "bytes": self._named_bytes(),
            **self._remark(update),
        }
        return wire.Judgement(
            operation, by.row(UPDATED, detail), self._usage.settled(self.principal)
        )

    def _named_bytes(self) -> int:
        """Bytes that the update names and that count for whoever calls."""
        return self._usage.owed(self.principal)

    def _remark(self, update: wire.Update) -> dict[str, Any]:  # noqa: ARG002 - see BucketRepository
        """What else the row says."""
        return {}

    def _quotas(self) -> list[Quota]:
        found = self._host.known.quotas()
        return [quota for quota in found if quota.covers(self._name, self.principal)]
