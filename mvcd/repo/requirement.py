"""Requirements: what a version has to show before it may hold a stage.

    val_acc>=0.93        a metric (or a setting) against a number, text, true or false
    val_acc>=current     against what the version that holds the stage now has

Operators are >= <= > < == !=. A key that is both a metric and a setting means the metric.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mvcd.errors import UsageError
from mvcd.objects.version import Value, Version

CURRENT = "current"
MAX_EXPRESSION = 1024
"""Characters."""

_EXPRESSION = re.compile(r"\s*([^\s<>=!]+)\s*(>=|<=|==|!=|>|<|=)\s*([^\s<>=!].*?)\s*", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A requirement held against a version. `why` says what was found, or what is missing."""

    expression: str
    met: bool
    found: Mapping[str, Value]
    why: str
    rule: bool = False


def check(expression: str, version: Version, current: Version | None, *, rule: bool) -> Checked:
    """`current` is the version that holds the stage, None if nobody does.

    Raises UsageError for what is no requirement.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None or len(expression) > MAX_EXPRESSION:
        raise UsageError(
            f"{expression[:80]!r} is not a requirement",
            cause="a requirement is written NAME>=VALUE, with one of >= <= > < == !=",
            help="mvc promote REV STAGE --require 'val_acc>=0.93'",
        )
    key, sign, text = match.groups()
    values = {**version.hyperparameters, **version.metrics}
    if key not in values:
        return Checked(expression, False, {}, _absent(key, values), rule)
    found = values[key]
    if text == CURRENT:
        if current is None:
            return Checked(
                expression, True, {key: found}, f"{key} is {found}; nobody to beat", rule
            )
        theirs = {**current.hyperparameters, **current.metrics}.get(key)
        met = theirs is None or _holds(found, sign, theirs)
        why = f"{key} is {found}, the current one has {theirs}"
        return Checked(expression, met, {key: found, CURRENT: theirs}, why, rule)
    return Checked(
        expression, _holds(found, sign, _value(text)), {key: found}, f"{key} is {found}", rule
    )


def _absent(key: str, values: Mapping[str, Value]) -> str:
    near = difflib.get_close_matches(key, values, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"the version has no {key}{hint}"


def _holds(found: Value, sign: str, wanted: Value) -> bool:
    """NaN meets nothing, and things of different kinds are only ever unequal."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (found, wanted))
    if isinstance(found, float) and math.isnan(found):
        return False
    if numbers or (isinstance(found, str) and isinstance(wanted, str)):
        return _COMPARE[sign](found, wanted)
    return sign in ("==", "=", "!=") and _COMPARE[sign](found, wanted)


def _value(text: str) -> Value:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
