"""The least a server needs: one store for everybody, and every update allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mvcd.errors import NoRepository
from mvcd.repo.core.core import Core
from mvcd.repo.trust.incoming import require_closure
from mvcd.store.api import Store
from mvcd.wire.client import Patience, RemotePeer
from mvcd.wire.host import Access, Caller, Everywhere, Judgement, Missing, Update
from mvcd.wire.server import RunningServer, make_server
from tests.support.engine import Repository

QUICK = Patience(first=0.01, most=0.05, total=5.0)
ONCE = Patience(total=0.0)
"""No second try."""
RECONNECTS = (
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 50),
)


@dataclass
class OpenRepository:
    store: Store
    repo_id: str = "0" * 32
    complete: bool = True
    principal: str = "anybody"
    role: str = "admin"
    others: Everywhere | None = None

    def visible(self, name: str) -> bool:
        return not name.startswith("workspaces/")

    def check_put(self, size: int) -> None:
        pass

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        return Judgement(operation=update.detail.encode() or None)


class CarefulRepository(OpenRepository):
    """Moves no ref before all that it reaches is here."""

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        require_closure(self.store, update.updates, missing)
        return super().check_update(update, missing)


class OneStore:
    """A host of one repository, "r"."""

    admitter = None
    caretaker = None

    def __init__(self, hosted: OpenRepository) -> None:
        self.hosted = hosted
        self.seen: list[tuple[Access, Caller]] = []

    def open(self, repo: str, caller: Caller, action: Access) -> OpenRepository:
        self.seen.append((action, caller))
        if repo != "r":
            raise NoRepository(f"there is no repository {repo!r} here")
        return self.hosted


def core_of(repository: Repository) -> Core:
    return repository._core


def serving(
    store: Store,
    kind: type[OpenRepository] = OpenRepository,
    *,
    clock: Callable[[], float] = time.time,
) -> tuple[RunningServer, int]:
    """A server on a port of loopback; `RunningServer.stop` ends it."""
    served = make_server(OneStore(kind(store)), clock=clock)
    port = served.server.add_insecure_port("127.0.0.1:0")
    served.server.start()
    return served, port


def calling(port: int, repo: str = "r", patience: Patience = QUICK) -> RemotePeer:
    url = f"grpc://127.0.0.1:{port}/{repo}"
    return RemotePeer(f"127.0.0.1:{port}", repo, url, patience=patience, options=RECONNECTS)
