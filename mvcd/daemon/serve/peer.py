"""One's own repositories, served to a peer: the host of `mvcd serve` without a team's directory.

Whoever may connect may read: that is everybody on this machine, or who has the token. With `write` pushes are
taken too, and never to a branch that is checked out: its files would no longer be those of its version.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvcd.disk.room import RESERVE_BYTES
from mvcd.errors import AuthError, Conflict, NoRepository
from mvcd.repo.core.location import find
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records.refs import head_name
from mvcd.repo.trust.receiving import judge, shared
from mvcd.store.api import Store
from mvcd.store.opened import MAX_PACKS, OpenedByName, room
from mvcd.store.stores import open_store
from mvcd.team.roles import Role, unauthenticated
from mvcd.wire.front import address_of
from mvcd.wire.host import Access, Admitter, Caller, Judgement, Missing, Update

ANYBODY = "peer"


@dataclass(frozen=True, slots=True)
class Offered:
    """A repository that may be served: its directory and its store's, and whether content may be absent."""

    root: str
    store: str
    partial: bool = False
    head: str = ""  # the ref that tells where the workspace stands


def offered(path: str) -> Offered:
    """The repository in `path`: a bare one, or a workspace there or above. Raises NoRepository."""
    root = os.path.realpath(path)
    if os.path.isfile(os.path.join(root, "format")):
        return Offered(root, root)
    location = find(path)
    config = location.config()
    head = head_name(config.get("workspace.id") or "")
    return Offered(location.root, location.store_path(config), is_partial(config), head)


def offers(paths: Sequence[str]) -> dict[str, Offered]:
    """Finds the repositories in `paths`, named after their directories. Raises NoRepository, Conflict."""
    found: dict[str, Offered] = {}
    for path in paths:
        offer = offered(path)
        name = os.path.basename(offer.root)
        if found.setdefault(name, offer) != offer:
            raise Conflict(
                f"two repositories are called {name}",
                kind="same-name",
                cause=f"{found[name].root} and {offer.root}",
                help="serve one of them on another port",
            )
    return found


@dataclass(frozen=True, slots=True, weakref_slot=True)
class OpenPeer:
    """`wire.host.Hosted` for everybody who comes in."""

    store: Store
    repo_id: str
    role: str
    complete: bool = True
    principal: str = ANYBODY
    head: str = ""

    @property
    def others(self) -> None:
        """This program alone serves it."""

    def visible(self, name: str) -> bool:
        """What travels, and where the workspace stands: who clones it wants to stand there too."""
        return shared(name) or name == self.head

    def check_put(self, size: int) -> None:
        """The disk is the limit: who may write here may log in here, or was given the token."""
        self.store.require_room(size, "what is pushed", reserve=RESERVE_BYTES)

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        judged = judge(self.store, time.time_ns)
        author = update.author or self.principal
        return Judgement(judged(update.updates, update.force, author, update.detail, missing))


class PeerHost:
    """`wire.host.Host`. Opens each store once, to tell of one that cannot be served, and keeps as many of them
    as this process's descriptors allow."""

    def __init__(self, offers: Mapping[str, Offered], *, token: str | None, write: bool) -> None:
        """Raises what opening a store raises."""
        self._token = token
        self._write = write
        self._offers = dict(offers)
        self._open = OpenedByName(self._opened, busy=lambda _: False, most=room())
        try:
            for name in self._offers:
                self._open.get(name)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._offers)

    def _opened(self, name: str) -> OpenPeer:
        offer = self._offers[name]
        # Uncached: what one machine reads from another it reads once, and this one has other work.
        store = open_store(offer.store, cached=False, pack_files=MAX_PACKS)
        role = Role.WRITE if self._write else Role.READ
        return OpenPeer(store, store.id, role.word, not offer.partial, head=offer.head)

    @property
    def admitter(self) -> Admitter:
        return self

    @property
    def caretaker(self) -> None:
        """Returns None: who works here collects, as without a server."""

    def admit(self, caller: Caller) -> str:
        """See `mvcd.wire.host.Admitter`. Whoever is on one machine is taken for one."""
        if self._token is not None and not hmac.compare_digest(
            (caller.token or "").encode(), self._token.encode()
        ):
            raise unauthenticated("it printed a token when it started")
        return address_of(caller.peer)

    def admit_now(self, caller: Caller) -> str | None:
        """See `mvcd.wire.host.Admitter`."""
        return None if self._token is not None else address_of(caller.peer)

    def open(self, repo: str, caller: Caller, action: Access) -> OpenPeer:
        self.admit(caller)
        name = next(iter(self._offers)) if len(self._offers) == 1 and not repo else repo
        if name not in self._offers:
            raise NoRepository(
                f"there is no repository {repo!r}",
                kind="no-such-repository",
                cause=f"here are: {', '.join(sorted(self._offers))}",
            )
        if action in (Access.PUT, Access.UPDATE) and not self._write:
            raise AuthError(
                "this peer takes no pushes", kind="read-only", help="there: mvcd serve --write"
            )
        return self._open.get(name)

    def close(self) -> None:
        for hosted in self._open.drop_all():
            hosted.store.close()
