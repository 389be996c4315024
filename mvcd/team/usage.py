"""How much a repository holds, and how much each principal pushed into it, for quotas.

What a principal pushed is the sum over the repository's audit log, whose rows say it for each update of refs;
so it survives restarts and needs no counter that could drift. What was put but not yet named by a ref is
remembered here only. Of the log just the rows are read that are new since the last question.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from mvcd.errors import Failure
from mvcd.store.api import Store
from mvcd.team import auditlog
from mvcd.team.values import Quota

UPDATED = "ref.update"


class Usage:
    """Of one open repository; for all threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pushed: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self._read = 0
        self._on_disk = 0
        self._fresh = 0

    @property
    def pending(self) -> bool:
        """Whether something is remembered here only."""
        with self._lock:
            return bool(self._pending)

    def put(self, principal: str, size: int, quotas: Iterable[Quota]) -> None:
        """Counts `size` bytes. Raises Failure(kind="quota") when a quota is used up; counts nothing then."""
        with self._lock:
            for quota in quotas:
                used = self._used(quota, principal)
                if used + size > quota.limit:
                    raise _used_up(quota, used)
            self._pending[principal] += size
            self._fresh += size

    def taken(self, principal: str) -> int:
        """What was put and not named by a ref yet; it is for the row of an update, and starts over."""
        with self._lock:
            return self._pending.pop(principal, 0)

    def _used(self, quota: Quota, principal: str) -> int:
        if quota.principal is None:
            return self._disk() + self._fresh
        self._catch_up()
        return self._pushed[principal] + self._pending[principal]

    def _disk(self) -> int:
        """Asked of the file system anew only after as much was put as makes a difference (1 %)."""
        if not self._on_disk or self._fresh > max(1 << 20, self._on_disk // 100):
            self._on_disk, self._fresh = self._store.stats().pack_bytes, 0
        return self._on_disk

    def _catch_up(self) -> None:
        if self._store.audit_head().sequence == self._read:
            return
        for row in auditlog.entries(self._store, start=self._read + 1):
            self._read = row.number
            size = row.detail.get("bytes")
            if row.action == UPDATED and isinstance(size, int):
                self._pushed[row.who] += size


def _used_up(quota: Quota, used: int) -> Failure:
    whose = "this repository" if quota.principal is None else quota.principal
    return Failure(
        f"the quota of {whose} is used up",
        kind="quota",
        cause=f"{used:,} of {quota.limit:,} bytes",
        help="ask an administrator (mvc admin quota set)",
    )
