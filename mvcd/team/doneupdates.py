"""What servers answered to updates, found in the audit log, where all of them see it (STATELESS.md, section
Updates). Which row an update left is remembered for a week; of the log just the rows are read that are new
since the last question, and older ones as far back as somebody asks."""

from __future__ import annotations

import threading
from itertools import islice

from mvcd.team import auditlog
from mvcd.team.auditlog import Audited, AuditEntry
from mvcd.team.usage import UPDATED

INSIST_US = 900 * 1_000_000
"""Microseconds for which a client may repeat an update: 15 times what it does."""
KEPT_US = 7 * 86_400 * 1_000_000
"""Microseconds for which a person may ask what became of an update, as on any server."""
BATCH_ROWS = 64
"""Rows read at a time when looking back: about as many as are held without a request."""


class DoneUpdates:
    """DoneUpdates of one repository; for all threads."""

    def __init__(self, store: Audited) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[int, int]] = {}  # by request id: number, time
        self._first = self._last = 0  # the rows between these were read
        self._first_us = 0

    def find(self, request_id: str, who: str, now_us: int, *, thoroughly: bool) -> bytes | None:
        """The reply to an update that was done; not `thoroughly`, to one of the last quarter of an hour. Raises
        IntegrityError, and what reading the log does."""
        with self._lock:
            self._read_on(now_us)
            self._read_back(now_us - (KEPT_US if thoroughly else INSIST_US))
            found = self._rows.get(request_id)
        if found is None:
            return None
        row = next(auditlog.entries(self._store, start=found[0]))
        return bytes.fromhex(str(row.detail.get("reply", ""))) if row.who == who else None

    def _read_on(self, now_us: int) -> None:
        end = self._store.audit_head().sequence
        if not self._last:
            self._first, self._first_us, self._last = end + 1, now_us, end
        elif end > self._last:
            for row in auditlog.entries(self._store, start=self._last + 1):
                self._note(row)
                self._last = row.number
            self._forget(now_us - KEPT_US)

    def _read_back(self, oldest_us: int) -> None:
        """Reads on backwards until a row is older."""
        while self._first > 1 and self._first_us >= oldest_us:
            start, end = max(1, self._first - BATCH_ROWS), self._first
            rows = auditlog.entries(self._store, start=start)
            older = list(islice(rows, end - start))
            for row in older:
                self._note(row)
            self._first, self._first_us = start, older[0].time_us

    def _note(self, row: AuditEntry) -> None:
        if row.action == UPDATED and row.request:
            self._rows[row.request] = (row.number, row.time_us)

    def _forget(self, oldest_us: int) -> None:
        """A week has so few rows that nobody minds when one that was read backwards goes later."""
        while self._rows and next(iter(self._rows.values()))[1] < oldest_us:
            del self._rows[next(iter(self._rows))]
