"""Figures as colours and marks: a logarithmic heat, and round values for an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mvc.pictures.drawing import Colour, blend

HEAT: tuple[Colour, ...] = (
    (255, 244, 210), (253, 205, 120), (244, 141, 71), (213, 66, 76), (132, 33, 107), (43, 15, 76),
)  # fmt: skip
"""From little to much. Lightness falls evenly, so it also reads without colour."""


@dataclass(frozen=True, slots=True)
class LogHeat:
    """Powers of ten from `low` to `high`, both whole."""

    low: int
    high: int

    @classmethod
    def of(cls, values: list[float]) -> LogHeat:
        """The decades that hold the positive, finite ones; at least two, at most eight, the highest."""
        found = [v for v in values if 0 < v < math.inf]
        if not found:
            return cls(-2, 0)
        high = math.ceil(math.log10(max(found)))
        low = min(math.floor(math.log10(min(found))), high - 2)
        return cls(max(low, high - 8), high)

    def colour(self, value: float) -> Colour:
        if value <= 0:
            return HEAT[0]
        share = (math.log10(value) - self.low) / (self.high - self.low) if value < math.inf else 1.0
        place = min(max(share, 0.0), 1.0) * (len(HEAT) - 1)
        index = min(int(place), len(HEAT) - 2)
        return blend(HEAT[index], HEAT[index + 1], place - index)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values (1, 2, 5 times a power of ten) in low..high, about so many."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]
