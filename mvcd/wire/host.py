"""What a server is given: repositories by name, and who may do what. Knows neither gRPC nor accounts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mvcd.ids import Digest
from mvcd.store.api import RefUpdate, Store


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as the connection tells."""

    peer: str  # "ipv4:127.0.0.1:1234", "unix:"
    token: str | None = None
    certificate: tuple[str, ...] = ()  # verified names of a client certificate
    loopback: bool = False
    began: float | None = None  # when the call did, by `time.monotonic`
    session: str | None = None  # the secret of a browser's session, which stands for a token


class Access(Enum):
    """What a call is about to do."""

    READ = "read"
    CREATE = "create"  # a push is about to begin: what is absent may be made; else as READ
    WATCH = "watch"
    PUT = "put"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Update:
    """A request to move refs, as it came."""

    updates: tuple[RefUpdate, ...]
    force: frozenset[str]
    author: str
    detail: str
    request_id: str  # hex
    reply: bytes = b""  # what will be answered when it is done
    verb: str = "push"  # as the operation log has it
    undoes: int | None = None  # the number of the operation that this one takes back


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is written in the same transaction as an allowed update."""

    operation: bytes | None = None
    audit: bytes | None = None
    cache: Mapping[bytes, bytes | None] = field(default_factory=dict)


Missing = Callable[[list[Digest]], list[Digest]]
"""Finds those of some objects that are not here. The others come under the lease of the session that the update
commits, so that no collection takes them before it does."""


class CallRepository(Protocol):
    """One repository, for one caller and call."""

    @property
    def store(self) -> Store: ...
    @property
    def repo_id(self) -> str: ...
    @property
    def complete(self) -> bool: ...
    @property
    def principal(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def others(self) -> Everywhere | None:
        """What it takes that other servers serve the repository as well; None where this one alone has it."""

    def visible(self, name: str) -> bool:
        """Whether this caller may know of a ref."""

    def check_put(self, size: int) -> None:
        """Before `size` bytes of records are stored. Raises Failure(kind="quota")."""

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        """After everything put rests in the store: names, rights, rules, fast-forward, and the closure of every
        target, each object of it asked of `missing`. Raises AuthError, Conflict, MissingObject, UsageError."""


class Everywhere(Protocol):
    """A repository that other servers serve as well. Nothing is acknowledged that only this server knows of,
    and what another one answered is found here."""

    def answered(self, request_id: str, *, thoroughly: bool) -> bytes | None:
        """The `reply` of an update that was done, here or elsewhere. Not `thoroughly` it is found for as long
        as clients insist."""

    def require_visible(self, ids: Sequence[Digest]) -> None:
        """Raises StaleReuse unless all objects are where every server finds them."""


class Host(Protocol):
    """All repositories of a server."""

    @property
    def admitter(self) -> Admitter | None:
        """Who knows callers before a call's message has come; None where nobody does."""

    @property
    def caretaker(self) -> Caretaker | None:
        """Who frees what uploads left that no ref reached; None where nobody does."""

    def open(self, repo: str, caller: Caller, action: Access) -> CallRepository:
        """Raises NoRepository for what is not there and for what this caller may not read, in the same words;
        AuthError for what it may read but not do. Cheap: called once a call. Stores stay open between calls."""


class Admitter(Protocol):
    """Knows who calls before a call's message has come."""

    def admit(self, caller: Caller) -> str:
        """What all calls of whoever calls have in common, and others' have not: a principal. Raises AuthError
        for nobody. Called once a call, from several threads."""

    def admit_now(self, caller: Caller) -> str | None:
        """The same where it is known without waiting for a disk or a network, else None. Called first, on
        the loop of all calls. Raises as `admit` does."""


class Caretaker(Protocol):
    """Frees what uploads left that no ref reached."""

    def untidy(self) -> set[str]:
        """Repositories with what uploads to an earlier server left, each told once."""

    def tidy(self, repo: str, owners: Collection[str]) -> bool:
        """Collects what nothing in `repo` reaches. `owners` have uploads open there. Returns False when it is
        to be asked again later. Called by one thread."""
