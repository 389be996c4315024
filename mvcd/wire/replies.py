"""What a server answered to updates, for clients whose reply was lost: kept for a week.

One row of the store's cache for each update, written in its transaction. The key begins with the day, so that
what has aged is what a scan meets first, and each update takes a few such rows with it: there is nothing to
sweep, and a repository that nobody pushes to does not grow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import islice

from mvcd.store.api import Store

KEPT_DAYS = 7
"""Longer than a client insists (a minute), so that a person may still ask what became of an update."""
FORGOTTEN_ROWS = 64
"""Rows that one update removes at most. It adds one, so a backlog goes."""
CLOCK_BACK_DAYS = 1
"""Days: a row from before a clock was set back is found all the same."""
_DAY_SECONDS = 86_400
_PREFIX = b"reply/"
_NUMBER = struct.Struct(">I")


class Replies:
    """Replies by request id; `clock` tells seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def find(self, store: Store, request_id: bytes) -> bytes | None:
        today = self._today()
        days = range(max(0, today - KEPT_DAYS), today + CLOCK_BACK_DAYS + 1)
        rows = store.cache_get([_key(day, request_id) for day in days])
        return next((row for row in rows if row is not None), None)

    def rows(self, store: Store, request_id: bytes, reply: bytes) -> dict[bytes, bytes | None]:
        """Cache rows for the update's transaction: its reply, and old ones to delete."""
        today = self._today()
        first = _key(max(0, today - KEPT_DAYS), b"")
        oldest = islice(store.cache_scan(_PREFIX), FORGOTTEN_ROWS)
        rows: dict[bytes, bytes | None] = {key: None for key, _ in oldest if key < first}
        rows[_key(today, request_id)] = reply
        return rows

    def _today(self) -> int:
        return int(self._clock() // _DAY_SECONDS)


def _key(day: int, request_id: bytes) -> bytes:
    return _PREFIX + _NUMBER.pack(day) + request_id
