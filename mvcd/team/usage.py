"""How much a repository holds, and how much each principal put into it, for quotas.

What a principal pushed is the sum over the repository's audit log, whose rows say it for each update of refs;
so it survives restarts and needs no counter that could drift. Of the log just the rows are read that are new
since the last question.

What was put and no ref names yet is owed: it takes the same space, whether the update that was to name it met a
conflict, or never came. It is counted until an update of the same principal names it, or a collection took it.
It is written down for each 16 MiB and when the server ends, so a server that is killed forgets less than that.
"""

from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from mvcd.errors import Failure
from mvcd.store.api import Store
from mvcd.team import auditlog
from mvcd.team.records import Quota

UPDATED = "ref.update"
STEP_BYTES = 16 << 20
"""Bytes owed from one row of the cache to the next."""
_OWED = b"owed/"
_SIZE = struct.Struct("<Q")


class Usage:
    """Usage of one open repository; for all threads, and for one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pushed: Counter[str] = Counter()
        self._read = 0
        self._on_disk = 0
        self._fresh = 0
        self._owed: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._loaded = False

    @property
    def owing(self) -> bool:
        """Whether a server before this one left what no ref names."""
        return next(self._store.cache_scan(_OWED), None) is not None

    @property
    def pending(self) -> bool:
        """Whether something is remembered here only."""
        with self._lock:
            return self._owed != self._written

    def put(self, principal: str, size: int, quotas: Iterable[Quota]) -> None:
        """Counts `size` bytes. Raises Failure(kind="quota") when a quota is used up; counts nothing then."""
        with self._lock:
            self._require(principal, size, quotas)
            self._owed[principal] += size
            self._fresh += size
            if self._owed[principal] - self._written[principal] >= STEP_BYTES:
                self._write([principal])

    def require(self, principal: str, size: int, quotas: Iterable[Quota]) -> None:
        """Raises Failure(kind="quota") where `size` bytes more would use one up; counts nothing."""
        with self._lock:
            self._require(principal, size, quotas)

    def _require(self, principal: str, size: int, quotas: Iterable[Quota]) -> None:
        self._catch_up()
        for quota in quotas:
            used = self._used(quota, principal)
            if used + size > quota.limit:
                raise _used_up(quota, used)

    def owed(self, principal: str) -> int:
        """What was put and no ref names yet; it is for the row of an update, which takes it over."""
        with self._lock:
            self._catch_up()
            return self._owed[principal]

    def settled(self, principal: str) -> Mapping[bytes, bytes | None]:
        """The rows of the cache that go with such an update, in its transaction."""
        return {_OWED + principal.encode(): None}

    def collected(self, still: Collection[str]) -> None:
        """After a collection: only those owe anything whose uploads were open meanwhile."""
        with self._lock:
            gone = [principal for principal in self._owed if principal not in still]
            for principal in gone:
                del self._owed[principal]
            self._on_disk = 0
            self._write(gone)

    def save(self) -> None:
        with self._lock:
            self._write(list(self._owed))

    def _write(self, principals: Iterable[str]) -> None:
        rows: dict[bytes, bytes | None] = {}
        for principal in principals:
            size = self._owed[principal]
            self._written[principal] = size
            rows[_OWED + principal.encode()] = _SIZE.pack(size) if size else None
        if rows:
            self._store.cache_put(rows)

    def _used(self, quota: Quota, principal: str) -> int:
        if quota.principal is None:
            return self._disk() + self._fresh
        return self._pushed[principal] + self._owed[principal]

    def _disk(self) -> int:
        """Asked of the file system anew only after as much was put as makes a difference (1 %)."""
        if not self._on_disk or self._fresh > max(1 << 20, self._on_disk // 100):
            self._on_disk, self._fresh = self._store.stats().pack_bytes, 0
        return self._on_disk

    def _catch_up(self) -> None:
        """Reads rows that are new. What one of them took over is owed no longer."""
        if self._store.audit_head().sequence != self._read:
            self._read_log()
        if not self._loaded:
            self._loaded = True
            for key, value in self._store.cache_scan(_OWED):
                if len(value) == _SIZE.size:
                    self._owed[key.removeprefix(_OWED).decode()] += _SIZE.unpack(value)[0]
            self._written.update(self._owed)

    def _read_log(self) -> None:
        for row in auditlog.entries(self._store, start=self._read + 1):
            self._read = row.number
            size = row.detail.get("bytes")
            if row.action == UPDATED and isinstance(size, int):
                self._pushed[row.who] += size
                left = self._owed[row.who] - size
                self._owed[row.who] = self._written[row.who] = max(0, left)
                if left <= 0:
                    del self._owed[row.who]


def _used_up(quota: Quota, used: int) -> Failure:
    whose = "this repository" if quota.principal is None else quota.principal
    return Failure(
        f"the quota of {whose} is used up",
        kind="quota",
        cause=f"{used:,} of {quota.limit:,} bytes",
        help="ask an administrator (mvc admin quota set); what no ref reached is freed within an hour or two",
    )
