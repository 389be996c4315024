"""How fast a repository grows, and when its disk is full at that rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DAY_US = 24 * 3600 * 1_000_000
WINDOW_US = 7 * DAY_US
MIN_SPAN_US = DAY_US // 24
MIN_VERSIONS = 3
"""Fewer, or within less than an hour, and a rate would be a guess."""


class Stored(Protocol):
    """A version, as far as growth asks."""

    @property
    def time_us(self) -> int: ...
    @property
    def stored(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Growth:
    """Over the last week, or since the first version if that is younger: `versions` that came brought
    `stored` bytes in `days`. `days_left`: until the disk is full at that rate; None if nothing grew."""

    versions: int
    days: float
    stored: int
    per_day: float
    days_left: float | None


def growth(versions: Sequence[Stored], *, now_us: int, free: int) -> Growth | None:
    """None while there is too little history to tell: MIN_VERSIONS after the first one, or an hour. The first
    version of all is no growth: it is what was there. `free` is what the disk has left, in bytes."""
    past = sorted((v for v in versions if v.time_us <= now_us), key=lambda v: v.time_us)
    since = now_us - WINDOW_US
    if past and past[0].time_us > since:
        since = past[0].time_us
    came = [v for v in past[1:] if v.time_us > since]
    span = now_us - since
    if len(came) < MIN_VERSIONS or span < MIN_SPAN_US:
        return None
    stored = sum(v.stored for v in came)
    per_day = stored * DAY_US / span
    return Growth(len(came), span / DAY_US, stored, per_day, free / per_day if stored else None)
