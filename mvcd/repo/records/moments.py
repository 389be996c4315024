"""Points in time as people write them: `2h` (ago), `2026-11-01`, `2026-11-01T12:00+01:00`.

A date or time without zone is read on the clock of whoever made the record it is compared with, which is the
time that every screen shows for it; so an answer does not depend on where it is asked. A bare date is the whole
day: what held "on" it is what held at its end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mvcd.lateclasses import NamedTuple

_AGE = r"(\d{1,9})\s*(s|sec|m|min|h|d|w)"
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_DATE = r"\d{4}-\d\d-\d\d"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_US = 60_000_000


class Moment(NamedTuple):
    """From `first_us` to `last_us`, microseconds since 1970: in UTC, or on each record's own clock."""

    first_us: int
    last_us: int
    local: bool = False

    def begun(self, time_us: int, utc_offset_minutes: int) -> bool:
        """Whether what happened then had happened by the end of this moment."""
        return self._on(time_us, utc_offset_minutes) <= self.last_us

    def over(self, time_us: int, utc_offset_minutes: int) -> bool:
        """Whether what happened then had happened before this moment began."""
        return self._on(time_us, utc_offset_minutes) <= self.first_us

    def position(self, time_us: int, utc_offset_minutes: int) -> int:
        """-1 for what happened before this moment, 0 within it, 1 after it."""
        at = self._on(time_us, utc_offset_minutes)
        return (at > self.last_us) - (at < self.first_us)

    def _on(self, time_us: int, utc_offset_minutes: int) -> int:
        return time_us + (utc_offset_minutes * _MINUTE_US if self.local else 0)


def parse(text: str, now_us: int | None) -> Moment | None:
    """None for what is no moment, and for an age when there is no `now_us` to count from."""
    text = text.strip()
    if age := re.fullmatch(_AGE, text.removesuffix(" ago")):
        if now_us is None:
            return None
        moment = now_us - int(age.group(1)) * _SECONDS[age.group(2)] * 1_000_000
        return Moment(moment, moment)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    zoned = found.tzinfo is not None
    at = (found if zoned else found.replace(tzinfo=UTC)) - _EPOCH
    first = at // timedelta(microseconds=1)
    day = 86400 * 1_000_000 - 1 if re.fullmatch(_DATE, text) else 0
    return Moment(first, first + day, local=not zoned)
