"""Which metrics of a version a person asks for first, and how their numbers are told in a few characters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mvcd.daemon.cells import cells, safe, shorten
from mvcd.inspect.direction import Direction, MetricRules
from mvcd.repo.records.differences import ValueChange

_KEY_CELLS = 32
"""Cells of a metric's name."""

_SHORTEST_CELLS = 8
"""Cells below which a name that is cut says nothing."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_HELD_OUT = frozenset("eval val valid validation dev test holdout heldout".split())
_LOSSES, _ACCURACIES = frozenset(("loss", "losses")), frozenset(("acc", "accuracy"))
_COUNTERS = frozenset(
    """step steps iter iters iteration iterations epoch epochs round rounds time times timestamp date second
    seconds sec secs minutes hours ms runtime duration elapsed eta wall lr learning latency throughput speed fps
    samples sample examples tokens batch batches count counts total num flos flops memory mem gpu cpu seed
    """.split()
)
"""What grows or is set, whatever became of the model: a difference of it says nothing."""

_RATES = frozenset(("latency", "throughput"))
"""Of these one is better, but of the machine, not of the model."""

_RULES = MetricRules.default()


@dataclass(frozen=True, slots=True)
class Measure:
    """A changed metric as it is told: `eval_loss 3.61 (-0.12)`."""

    key: str
    name: str
    value: str
    difference: str  # "(-0.12)", "(was NaN)", ""
    exact: bool  # whether the version's full values can be had from these

    def words(self, room: int) -> str | None:
        """At most `room` cells, in which the numbers keep all they need; None if that leaves no name."""
        return self._with(f"{self.value} {self.difference}".rstrip(), room)

    def value_alone(self, room: int) -> str | None:
        """The same without the difference, which reads as if there had been no value before."""
        return self._with(self.value, room)

    def _with(self, figures: str, room: int) -> str | None:
        name = safe(self.name)
        left = min(_KEY_CELLS, room - cells(figures) - 1)
        return (
            f"{shorten(name, left)} {figures}"
            if left >= min(cells(name), _SHORTEST_CELLS)
            else None
        )

    def tells(self, words: str) -> bool:
        """Whether these words leave nothing out."""
        return self.exact and words == f"{self.key} {self.value} {self.difference}".rstrip()


def ranked(
    changes: Mapping[str, ValueChange], name_of: Callable[[str], str] = str
) -> Iterator[Measure]:
    """The changed metrics, the most asked for first.

    First what became NaN or infinite, for training that went wrong is news whatever else it says. Then what
    was measured on data held out (val, eval, dev, test), then what names no data, then training's own; within
    each, losses, then accuracies, then other measures, and by name: one stands at one place down a log.
    Metrics of which nothing says that more or less is better come after all that; counters only if there is
    nothing else, and without a difference. Texts, and metrics that are gone, are left to the body.

    `name_of` a key is the name to tell it by; of equal names one with a name of its own counts.
    """
    numbers = {key: change for key, change in changes.items() if _is_number(change.new)}
    measures = [key for key in numbers if not counter(key)]
    names: set[str] = set()
    for key in sorted(
        measures or numbers, key=lambda k: (_rank(k, numbers[k]), name_of(k) == k, k)
    ):
        name = name_of(key)
        if name not in names:
            names.add(name)
            yield _measure(key, name, numbers[key], with_difference=bool(measures))


def counter(key: str) -> bool:
    """Whether a metric counts or clocks: `epoch`, `eval_runtime`, but not `val_loss_epoch`."""
    words = _words_of(key)
    if not words & _COUNTERS:
        return False
    return bool(words & _RATES) or _RULES.direction(key) is Direction.NEITHER


def _rank(key: str, change: ValueChange) -> tuple[int, int]:
    if not _finite(change.new) and _finite(change.old):
        return 0, 0
    words = _words_of(key)
    if _RULES.direction(key) is Direction.NEITHER:
        return 4, 0
    held_out = bool(words & _HELD_OUT)
    data = 1 if held_out else 3 if words & {"train", "training"} else 2
    return data, 0 if words & _LOSSES else 1 if words & _ACCURACIES else 2


def _words_of(key: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(key)}


def _measure(key: str, name: str, change: ValueChange, *, with_difference: bool) -> Measure:
    value = number(change.new, 4)
    exact = all(number(n, 4) == number(n, 6) for n in (change.new, change.old) if _is_number(n))
    difference = _difference(change) if with_difference else ""
    return Measure(key, name, value, difference, exact and bool(difference or change.old is None))


def _difference(change: ValueChange) -> str:
    if not _is_number(change.old):
        return ""
    if not (_finite(change.old) and _finite(change.new)):
        return f"(was {number(change.old, 4)})"
    difference = change.diff
    if difference is None or not math.isfinite(difference):  # of two numbers of 10^308
        return ""
    return f"({'+' if difference > 0 else ''}{number(difference, 3)})"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def number(value: object, digits: int) -> str:
    """A number with so many significant digits, and as many more as it takes not to look like a whole one:
    0.99996 must not read as an accuracy of 1. Whole parts are not rounded below 10^7.

    0.000123, 1.23e-5, 1234.6, 1.2e9, NaN, inf.
    """
    if not isinstance(value, (int, float)):
        return str(value)
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    if math.isinf(value) or (isinstance(value, int) and abs(value) < 10**7):
        return str(value)
    if 10 ** (digits - 1) <= abs(value) < 10**7:
        digits = len(str(int(abs(value)))) + 1
    for text in (*(f"{value:.{n}g}" for n in (digits, digits + 2, digits + 5)), repr(value)):
        if float(text) == value or not float(text).is_integer() or abs(value) >= 10**7:
            break
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text
