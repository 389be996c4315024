"""Requirements: what a version has to show before it may hold a stage, in the language of `--where` (query/).

    val_acc >= 0.93 and val_loss < 0.2
    val_acc >= current       against what the version that holds the stage now has; met if nobody holds it, or
                             if that one has no such number

A gate has to fail closed where a search may be easy: a key that the version lacks, or that is NaN, is never in
its favour, not even under `not`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mvcd.errors import UsageError
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Value
from mvcd.repo.history.query.evaluate import FIELDS, Evaluator, NamedVersions, nearest, value_finder
from mvcd.repo.history.query.parse import parse
from mvcd.repo.history.query.tree import (
    And,
    Condition,
    Has,
    KeyComparison,
    KeyMatch,
    Leaf,
    Not,
    Or,
    leaves,
)

CURRENT = "current"
MAX_EXPRESSION_CHARACTERS = 1024
"""Characters; a record of promotion keeps them."""


@dataclass(frozen=True, slots=True)
class CheckedRequirement:
    """A requirement held against a version. `why` says what was found, or what is missing."""

    expression: str
    met: bool
    found: Mapping[str, Value]
    why: str
    rule: bool = False


class RequiredExpression:
    """An expression, understood. Raises ExpressionError, UsageError."""

    def __init__(self, expression: str, names: NamedVersions, *, now_us: int, rule: bool) -> None:
        if len(expression) > MAX_EXPRESSION_CHARACTERS:
            raise UsageError(f"a requirement may have {MAX_EXPRESSION_CHARACTERS} characters")
        self._expression, self._names, self._now_us = expression, names, now_us
        self._rule = rule
        self._condition = parse(expression)
        if rule and any(
            isinstance(leaf, KeyMatch) and leaf.pattern.regex for leaf in leaves(self._condition)
        ):
            raise UsageError(
                f"a rule of mvc.toml takes no regular expression: {expression}",
                cause="it comes with a clone, and one can be written that never ends",
                help="use a glob: name ~ 'resnet*'",
            )

    def check(self, version: Glance, current: Glance | None) -> CheckedRequirement:
        """`current` holds the stage, if any version does. Raises ExpressionError."""
        condition = _against(self._condition, current)
        evaluator = Evaluator(condition, self._expression, self._names, now_us=self._now_us)
        found = dict(_found(self._condition, version))
        met = evaluator.matches(version) and not any(
            _silent(leaf, version) for leaf in _denied(condition)
        )
        theirs = dict(_found(self._condition, current, of_current=True)) if current else {}
        return CheckedRequirement(
            self._expression,
            met,
            {**found, **{f"{CURRENT} {key}": value for key, value in theirs.items()}},
            "; ".join(self._words(version, found, theirs)),
            self._rule,
        )

    def _words(
        self, version: Glance, found: Mapping[str, Value], theirs: Mapping[str, Value]
    ) -> Iterator[str]:
        for key in dict.fromkeys(leaf.key.name for leaf in leaves(self._condition)):
            if key in found:
                yield f"{key} is {found[key]}" + (
                    f", the current one has {theirs[key]}" if key in theirs else ""
                )
            elif key not in FIELDS:
                near = nearest(key, set(version.keys()))
                hint = f" (did you mean {' or '.join(near)}?)" if near else ""
                yield f"the version has no {key}{hint}"


def _against(condition: Condition, current: Glance | None) -> Condition:
    """With what the current holder has in the place of the word `current`."""
    match condition:
        case Not(inner):
            return Not(_against(inner, current))
        case And(left, right):
            return And(_against(left, current), _against(right, current))
        case Or(left, right):
            return Or(_against(left, current), _against(right, current))
        case KeyComparison(key, _, value) if value == CURRENT:
            theirs = MISSING if current is None else value_finder(key.name)(current)
            if theirs is MISSING or _is_nan(theirs):
                return Has(key)
            return replace(condition, value=theirs)  # type: ignore[arg-type]  # a Value, not MISSING
    return condition


def _found(
    condition: Condition, version: Glance, *, of_current: bool = False
) -> Iterator[tuple[str, Value]]:
    for leaf in leaves(condition):
        compared = isinstance(leaf, KeyComparison) and leaf.value == CURRENT
        if of_current and not compared:
            continue
        value = _value(leaf, version)
        if value is not MISSING:
            yield leaf.key.name, value  # type: ignore[misc]


def _value(leaf: Leaf, version: Glance) -> Value | object:
    name = leaf.key.name
    if name in ("author", "message", "trigger", "generation"):
        value: Value = getattr(version, name)
        return value
    return MISSING if name in FIELDS else value_finder(name)(version)


def _denied(condition: Condition, under: bool = False) -> Iterator[Leaf]:
    """The comparisons under a `not`, where what is missing would count in the version's favour."""
    match condition:
        case Not(inner):
            yield from _denied(inner, True)
        case And(left, right) | Or(left, right):
            yield from _denied(left, under)
            yield from _denied(right, under)
        case Has():
            pass
        case leaf if under:
            yield leaf


def _silent(leaf: Leaf, version: Glance) -> bool:
    value = _value(leaf, version)
    return leaf.key.name not in FIELDS and (value is MISSING or _is_nan(value))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
