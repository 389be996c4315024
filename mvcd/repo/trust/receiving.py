"""Pushes into a repository that nobody but the file system guards (incoming.py judges, this records)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mvcd.errors import Conflict
from mvcd.repo.records import operations
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import HEADS, SHARED, HeadValue
from mvcd.repo.trust import incoming
from mvcd.store.api import RefUpdate, Store
from mvcd.sync.local import Judge

Clock = Callable[[], int]


def shared(name: str) -> bool:
    """Whether a ref travels."""
    return name.startswith(SHARED)


def judge(store: Store, clock: Clock) -> Judge:
    """Judges updates and makes the operation that is logged with them."""

    def judged(
        updates: Sequence[RefUpdate],
        force: frozenset[str],
        author: str,
        detail: str,
        missing: incoming.Missing,
    ) -> bytes:
        _require_not_checked_out(store, updates)
        incoming.receive(store, updates, force, missing)
        return operations.encode(Context(author, clock() // 1000), "receive", detail, updates)

    return judged


def _require_not_checked_out(store: Store, updates: Sequence[RefUpdate]) -> None:
    attached = _attached(store.refs("workspaces/"))
    for update in updates:
        if update.name in attached:
            raise Conflict(
                f"{update.name.removeprefix(HEADS)} is checked out in the other workspace",
                kind="checked-out",
                cause="its files would no longer be what its HEAD says",
                help="push to another branch (mvc push REMOTE BRANCH:OTHER), or pull from there; "
                "a repository without a workspace is made by: mvc init --bare DIR",
            )


def _attached(refs: Mapping[str, bytes]) -> set[str]:
    values = (HeadValue.decode(v) for name, v in refs.items() if name.endswith("/head"))
    return {f"{HEADS}{value.branch}" for value in values if value.branch is not None}
