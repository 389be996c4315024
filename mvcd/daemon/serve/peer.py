"""One's own repositories, served to a peer: the host of `mvcd serve` without a team's directory.

Whoever may connect may read: that is everybody on this machine, or who has the token. With `write` pushes are
taken too, and never to a branch that is checked out: its files would no longer be those of its version.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvcd.errors import AuthError, Conflict, MvcError, NoRepository
from mvcd.repo import operations
from mvcd.repo.incoming import receive
from mvcd.repo.location import Location, find
from mvcd.repo.refs import SHARED, HeadValue
from mvcd.repo.results import Context
from mvcd.store.lmdb_store import LmdbStore
from mvcd.team.roles import Role, unauthenticated
from mvcd.wire.host import Action, Caller, Judgement, Missing, Update

ANYBODY = "peer"


def new_token() -> str:
    """256 random bits; printed once and kept nowhere."""
    return "mvct_" + urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def workspaces(paths: Sequence[str]) -> dict[str, Location]:
    """Repositories at or above `paths`, named after their directories. Raises NoRepository, Conflict."""
    found: dict[str, Location] = {}
    for path in paths:
        location = find(path)
        name = os.path.basename(location.root)
        if found.setdefault(name, location) != location:
            raise Conflict(
                f"two workspaces are called {name}",
                kind="same-name",
                cause=f"{found[name].root} and {location.root}",
                help="serve one of them on another port",
            )
    return found


@dataclass(frozen=True, slots=True)
class OpenPeer:
    """`wire.host.Hosted` for everybody who comes in."""

    store: LmdbStore
    repo_id: str
    role: str
    complete: bool = True
    principal: str = ANYBODY

    def visible(self, name: str) -> bool:
        return name.startswith(SHARED)

    def check_put(self, size: int) -> None:
        """The disk is the limit: who may write here may log in here, or was given the token."""

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        checked_out = self._checked_out()
        for move in update.updates:
            if move.name in checked_out:
                raise Conflict(
                    f"{move.name} is checked out there",
                    kind="checked-out",
                    cause="its files would no longer be those of its version",
                    help="push to another branch: mvc push REMOTE HEAD:NAME, and mvc merge NAME there",
                )
        receive(self.store, update.updates, update.force, missing)
        now_ns = time.time_ns()
        context = Context(
            author=update.author or self.principal,
            time_us=now_ns // 1000,
            utc_offset_minutes=time.localtime(now_ns // 1_000_000_000).tm_gmtoff // 60,
        )
        return Judgement(operations.encode(context, "push", update.detail, update.updates))

    def _checked_out(self) -> set[str]:
        heads = self.store.refs("workspaces/")
        values = [HeadValue.decode(v) for n, v in heads.items() if n.endswith("/head")]
        return {f"heads/{value.branch}" for value in values if value.branch is not None}


class PeerHost:
    """`wire.host.Host`. Opens the stores at once and keeps them until `close`."""

    def __init__(self, stores: Mapping[str, str], *, token: str | None, write: bool) -> None:
        """`stores`: paths by repository name. Raises what opening a store raises."""
        self._token = token
        self._write = write
        self._open: dict[str, OpenPeer] = {}
        try:
            for name, path in stores.items():
                store = LmdbStore.open(path)
                role = Role.WRITE if write else Role.READ
                self._open[name] = OpenPeer(store, store.id, role.word)
        except MvcError:
            self.close()
            raise

    @classmethod
    def of_workspaces(
        cls, found: Mapping[str, Location], *, token: str | None, write: bool
    ) -> PeerHost:
        stores = {name: each.store_path(each.config()) for name, each in found.items()}
        return cls(stores, token=token, write=write)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, repo: str, caller: Caller, action: Action) -> OpenPeer:
        if self._token is not None and not hmac.compare_digest(
            (caller.token or "").encode(), self._token.encode()
        ):
            raise unauthenticated("it printed a token when it started")
        only = next(iter(self._open.values())) if len(self._open) == 1 and not repo else None
        hosted = only or self._open.get(repo)
        if hosted is None:
            raise NoRepository(
                f"there is no repository {repo!r}",
                kind="no-such-repository",
                cause=f"here are: {', '.join(sorted(self._open))}",
            )
        if action in (Action.PUT, Action.UPDATE) and not self._write:
            raise AuthError(
                "this peer takes no pushes", kind="read-only", help="there: mvcd serve --write"
            )
        return hosted

    def close(self) -> None:
        for hosted in self._open.values():
            hosted.store.close()
        self._open = {}
