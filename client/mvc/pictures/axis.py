"""Axes: where a value lies on a line, and which round values are written along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal, Protocol

from mvc.pictures.scale import ticks

_STEPS = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400)
"""Seconds between the marks of a time axis; beyond, round numbers of weeks."""

Kind = Literal["version", "time", "step"]


class Axis(Protocol):
    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""

    def marks(self, about: int) -> list[tuple[float, str]]:
        """Round values within the axis, as they are written."""


@dataclass(frozen=True, slots=True)
class Linear:
    low: float
    high: float
    before: str = ""  # each mark's text
    whole: bool = False

    @classmethod
    def around(cls, values: Sequence[float]) -> Linear:
        """With a little room on both sides; one value alone stands in the middle."""
        low, high = min(values), max(values)
        room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room)

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def marks(self, about: int) -> list[tuple[float, str]]:
        found = ticks(self.low, self.high, about)
        if self.whole:
            found = [mark for mark in found if float(mark).is_integer()] or [self.low]
        return [(mark, self.before + number(mark)) for mark in found]


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """A logarithmic axis, for positive values."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> Logarithmic:
        low, high = min(values), max(values)
        return cls(low / 1.1, high * 1.1)

    def share(self, value: float) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low)

    def marks(self, about: int) -> list[tuple[float, str]]:
        """Powers of ten; where too few lie within, 1, 2 and 5 times such, or what a linear axis has."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = [10.0**n for n in range(first, last + 1)]
        found = [v for v in decades if self.low <= v <= self.high]
        if len(found) < 2:
            found = [m * d for d in decades for m in (1, 2, 5) if self.low <= m * d <= self.high]
        if len(found) < 2:
            found = [v for v in ticks(self.low, self.high, about) if v > 0]
        every = max(1, math.ceil(len(found) / max(about, 1)))
        return [(mark, number(mark)) for mark in found[::every]]


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds since 1970, written on the clock of `zone`."""

    low: float
    high: float
    zone: tzinfo

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def marks(self, about: int) -> list[tuple[float, str]]:
        if self.high <= self.low:
            return [(self.low, self._at(self.low).strftime("%m-%d %H:%M"))]
        wanted = (self.high - self.low) / max(about, 1)
        week = _STEPS[-1]
        step = next((s for s in _STEPS if s >= wanted), week * math.ceil(wanted / week))
        form = "%H:%M:%S" if step < 60 else "%m-%d %H:%M" if step < 86400 else "%Y-%m-%d"
        if self._at(self.low).date() == self._at(self.high).date() and step >= 60:
            form = "%H:%M"
        offset = (self._at(self.low).utcoffset() or timedelta()).total_seconds()
        first = math.ceil((self.low + offset) / step)
        last = math.floor((self.high + offset) / step)
        found = [n * step - offset for n in range(first, last + 1)]
        return [(mark, self._at(mark).strftime(form)) for mark in found]

    def _at(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, self.zone)


def number(value: float) -> str:
    """Six digits at most, and no -0."""
    return f"{value + 0.0:.6g}"


def horizontal(kind: Kind, values: Sequence[float], zone: tzinfo) -> Axis:
    low, high = min(values), max(values)
    if kind == "time":
        return Time(low, high, zone)
    return Linear(low, high, before="v" if kind == "version" else "", whole=kind == "version")
