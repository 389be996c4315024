"""A team's repositories in a bucket, for one of any number of servers (STATELESS.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mvcd.errors import StaleReuse
from mvcd.ids import Digest
from mvcd.repo.records.refs import versions_of_refs
from mvcd.repo.trust.incoming import Missing
from mvcd.repo.trust.keygen import Keygen
from mvcd.store.api import LookedStore
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.doneupdates import DoneUpdates
from mvcd.team.host import Open, TeamHost, TeamRepository
from mvcd.team.roles import Identity, no_such_repository
from mvcd.team.sessions import WebSession
from mvcd.team.usage import Usage
from mvcd.wire import host as wire

OPEN_STORES = 32
"""Stores that are open between calls: with 16 MiB of blocks each, half a GiB. Opening one costs the request
that looking at it costs anyway."""
LONGEST_AGE_SECONDS = 2.0
"""Seconds after which a call that goes on (a stream of WatchRefs, a message that comes slowly) has to be looked
at anew: at most so much longer a revoked token hears of changes."""
COLLECT_EACH_US = 86_400 * 1_000_000
"""Microseconds from one collection of a repository to the next, whichever server: what is condemned is deleted
after as long."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class OpenBucket(Open):
    """A repository as it is kept open between calls."""

    done: DoneUpdates


class BucketHost(TeamHost):
    """See `TeamHost`. What it knows was so when the call began, or later; a request to the bucket serves all
    calls that had begun by then."""

    root: BucketRoot

    def __init__(
        self,
        root: BucketRoot,
        now_us: Callable[[], int],
        keygen: Keygen | None = None,
        create: Sequence[str] = (),
    ) -> None:
        super().__init__(root, now_us, keygen, create, most=OPEN_STORES)

    def open(self, repo: str, caller: wire.Caller, action: wire.Access) -> TeamRepository:
        """See `TeamHost.open`. Raises RemoteUnreachable where the bucket cannot be read."""
        caller = replace(caller, began=_since(caller))
        hosted = super().open(repo, caller, action)
        assert isinstance(hosted, BucketRepository)
        hosted.looked.look_since(_since(caller))
        return hosted

    def recognise(self, caller: wire.Caller) -> tuple[Identity, WebSession | None]:
        self.root.store.look_since(_since(caller))
        return super().recognise(caller)

    def admit_now(self, caller: wire.Caller) -> str | None:  # noqa: ARG002 - what is known may be old
        """Returns None: the bucket is asked first."""
        return None

    def tidy(self, repo: str, owners: Collection[str]) -> bool:
        """See `mvcd.wire.host.Caretaker`. One server collects at a time, and once a day."""
        self.root.store.look_since(time.monotonic())
        if self.root.accounts.repository(repo) is None:
            return True  # it was removed meanwhile
        if not self.root.claim_collection(repo, self.now_us(), COLLECT_EACH_US):
            return False
        return super().tidy(repo, owners)

    def _hosted(
        self, name: str, found: Open, identity: Identity, role: str, peer: str
    ) -> TeamRepository:
        return BucketRepository(self, name, found, identity, role, peer)

    def _opened(self, key: str) -> Open:
        id, name = key.split(" ", 1)
        hosted = self.root.accounts.repository(name)
        if hosted is None or hosted.id != id:  # removed since the call looked
            raise no_such_repository(name)
        store = self.root.serve_repository(hosted)
        usage = Usage(store)
        if usage.owing:
            self.leave_untidy(name)
        return OpenBucket(id, store, usage, DoneUpdates(store))


class BucketRepository(TeamRepository):
    """One repository for one caller. See also `mvcd.wire.host.Everywhere`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._new: set[Digest] = set()

    @property
    def looked(self) -> LookedStore:
        store: Any = self.store
        looked: LookedStore = store
        return looked

    # ------------------------------------------------------------------ what every server knows

    @property
    def others(self) -> wire.Everywhere:
        return self

    def require_visible(self, ids: Sequence[Digest]) -> None:
        """See `mvcd.wire.host.Everywhere`."""
        there = self.store.has(ids)
        if not all(there):
            raise StaleReuse(
                f"{there.count(False)} objects of this push were dropped before they were kept",
                cause="what they may rest on was collected meanwhile",
                help="run the command again",
            )

    def answered(self, request_id: str, *, thoroughly: bool) -> bytes | None:
        """See `mvcd.wire.host.Everywhere`: the row that the update left says it."""
        assert isinstance(self._found, OpenBucket)
        return self._found.done.find(
            request_id, self.principal, self._host.now_us(), thoroughly=thoroughly
        )

    # ------------------------------------------------------------------ updates

    def check_update(self, update: wire.Update, missing: Missing) -> wire.Judgement:
        reached = frozenset(versions_of_refs(self.store.refs()))

        def noted(ids: list[Digest]) -> list[Digest]:
            self._new.update(id for id in ids if id not in reached)
            return missing(ids)

        self._new.clear()
        return super().check_update(update, noted)

    def _named_bytes(self) -> int:
        """What the update newly reaches, whichever servers it was put to. Asked before, it was all found."""
        return sum(info.record_size for info in self.store.infos(list(self._new)).values())

    def _remark(self, update: wire.Update) -> dict[str, Any]:
        return {"reply": update.reply.hex()}


def _since(caller: wire.Caller) -> float:
    """From when on what is known counts for a call."""
    now = time.monotonic()
    return now if caller.began is None else max(caller.began, now - LONGEST_AGE_SECONDS)
