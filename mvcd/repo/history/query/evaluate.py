"""Asks a condition of versions: it becomes one function, so that a key or pattern is understood once."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, Protocol

from mvcd.errors import ExpressionError
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Value
from mvcd.repo.history.query.tree import (
    Among,
    And,
    Condition,
    Has,
    Key,
    KeyComparison,
    KeyMatch,
    Leaf,
    Not,
    Or,
    Pattern,
)
from mvcd.repo.records import moments
from mvcd.repo.records.moments import Moment

FIELDS = "version generation id branch tag stage author message trigger time date".split()
NOTE = "note."
"""Before the key of an annotation."""

Test = Callable[[Glance], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NUMBERED = re.compile(r"v?([0-9]{1,18})")
_HEX = re.compile(r"[0-9a-f]{4,64}")


class NamedVersions(Protocol):
    """What refs say of versions."""

    def branches(self, version: Glance) -> Iterable[str]:
        """Names of the branches that reach a version."""

    def tags(self, version: Glance) -> Iterable[str]:
        """Names of the tags that point to a version."""

    def stages(self, version: Glance) -> Iterable[str]:
        """Names of the stages that a version holds now."""

    def annotations(self, version: Glance) -> Mapping[str, str]:
        """The texts of a version's annotations by key."""


class Evaluator:
    """`matches(version)`; afterwards `unknown` tells the keys that no version had."""

    def __init__(
        self, condition: Condition, expression: str, names: NamedVersions, *, now_us: int | None
    ) -> None:
        """Raises ExpressionError where a field is compared with what it cannot be."""
        self._expression, self._names, self._now_us = expression, names, now_us
        self._unseen: dict[str, Key] = {}
        self.matches: Test = self._compile(condition)

    @property
    def unknown(self) -> list[Key]:
        return list(self._unseen.values())

    def _compile(self, condition: Condition) -> Test:
        match condition:
            case Not(inner):
                test = self._compile(inner)
                return lambda version: not test(version)
            case And(left, right):
                one, other = self._compile(left), self._compile(right)
                return lambda version: one(version) and other(version)
            case Or(left, right):
                one, other = self._compile(left), self._compile(right)
                return lambda version: one(version) or other(version)
            case _:
                return self._leaf(condition)

    def _leaf(self, leaf: Leaf) -> Test:
        name = leaf.key.name
        if name in ("time", "date"):
            return self._time(leaf)
        if name in ("version", "generation"):
            return self._numbered(leaf)
        if name in FIELDS:
            texts = self._texts(name)
            decide = _of_texts(leaf)
            return lambda version: decide(texts(version))
        if name.startswith(NOTE):
            return self._noted(leaf)
        value_of = self._value_of(leaf)
        if isinstance(leaf, Has):
            return lambda version: value_of(version) is not MISSING
        holds = _of_value(leaf)

        def test(version: Glance) -> bool:
            value = value_of(version)
            return value is not MISSING and holds(value)  # type: ignore[arg-type]

        return test

    def _noted(self, leaf: Leaf) -> Test:
        """An annotation is text; compared with a number, true, false or null, it is what its text says."""
        name, of, unseen = leaf.key.name, self._names.annotations, self._unseen
        key = name.removeprefix(NOTE)
        if isinstance(leaf, Has):
            return lambda version: key in of(version)
        unseen.setdefault(name, leaf.key)
        holds = _of_note(leaf)

        def test(version: Glance) -> bool:
            text = of(version).get(key)
            if text is None:
                return False
            unseen.pop(name, None)
            return holds(text)

        return test

    def _value_of(self, leaf: Leaf) -> Callable[[Glance], Value | object]:
        find, name, unseen = value_finder(leaf.key.name), leaf.key.name, self._unseen
        if not isinstance(leaf, Has):
            unseen.setdefault(name, leaf.key)

        def value_of(version: Glance) -> Value | object:
            value = find(version)
            if value is not MISSING and name in unseen:
                del unseen[name]
            return value

        return value_of

    # ---------------------------------------------------------------- fields

    def _texts(self, name: str) -> Callable[[Glance], Iterable[str]]:
        names = self._names
        found: dict[str, Callable[[Glance], Iterable[str]]] = {
            "id": lambda v: (v.id.hex(),),
            "branch": names.branches,
            "tag": names.tags,
            "stage": names.stages,
            "author": lambda v: (v.author,),
            "message": lambda v: (v.message,),
            "trigger": lambda v: (v.trigger,),
        }
        return found[name]

    def _time(self, leaf: Leaf) -> Test:
        if isinstance(leaf, Has):
            return lambda _: True
        if not isinstance(leaf, KeyComparison):
            raise self._wrong(leaf.key, "a time is compared with = != < <= > >=")
        moment = moments.parse(str(leaf.value), self._now_us)
        if moment is None:
            raise self._wrong(
                leaf.key, f"{leaf.value!r} is no time", "such as 2026-11-01, 2h or 3d"
            )
        return _at(leaf.sign, moment)

    def _numbered(self, leaf: Leaf) -> Test:
        """`version` is a number with or without `v`, or the beginning of an id."""
        match leaf:
            case Has():
                return lambda version: version.generation > 0
            case Among(key, values):
                tests = [self._numbered(KeyComparison(key, "=", value)) for value in values]
                return lambda version: any(test(version) for test in tests)
            case KeyComparison(key, sign, value):
                if number := _NUMBERED.fullmatch(str(value)):
                    wanted = int(number[1])
                    return lambda version: _compare(version.generation, sign, wanted)
                start = str(value).lower()
                if sign in ("=", "!=") and _HEX.fullmatch(start):
                    return lambda version: version.id.hex().startswith(start) == (sign == "=")
                raise self._wrong(key, f"{value!r} is no version", "such as v12 or 12")
            case _:
                raise self._wrong(leaf.key, "a version is compared with = != < <= > >=")

    def _wrong(self, key: Key, what: str, expected: str | None = None) -> ExpressionError:
        return ExpressionError(
            what, self._expression, start=key.start, length=key.length,
            cause=None if expected is None else f"expected one {expected}",
            help="mvc log --help  (explains --where)",
        )  # fmt: skip


def value_finder(name: str) -> Callable[[Glance], Value | object]:
    """Looks a key up: as it is recorded, the metric first; else as `params.` or `metrics.` say."""
    area, _, rest = name.partition(".")
    last = (rest or name).encode()  # of the key, however it is meant

    def find(version: Glance) -> Value | object:
        if not version.mentions(last):
            return MISSING
        value = version.metric(name)
        if value is MISSING:
            value = version.hyperparameter(name)
        if value is MISSING and rest:
            if area == "metrics":
                return version.metric(rest)
            if area in ("params", "hyperparameters"):
                return version.hyperparameter(rest)
        return value

    return find


def _at(sign: str, moment: Moment) -> Test:
    def position(version: Glance) -> int:
        return moment.position(version.time_us, version.utc_offset_minutes)

    return lambda version: _compare(position(version), sign, 0)


def _of_texts(leaf: Leaf) -> Callable[[Iterable[str]], bool]:
    """A field may have several values, or none: `!=` means that none is equal."""
    match leaf:
        case Has():
            return any
        case KeyMatch(_, pattern):
            search = _matcher(pattern)
            return lambda texts: any(search(text) for text in texts)
        case Among(_, values):
            wanted = {str(value) for value in values}
            return lambda texts: not wanted.isdisjoint(texts)
        case KeyComparison(_, "!=", value):
            text = str(value)
            return lambda texts: text not in texts
        case KeyComparison(_, "=", value):
            text = str(value)
            return lambda texts: text in texts
        case KeyComparison(_, sign, value):
            text = str(value)
            return lambda texts: any(_compare(found, sign, text) for found in texts)


def _of_value(leaf: Leaf) -> Callable[[Value], bool]:
    match leaf:
        case KeyMatch(_, pattern):
            search = _matcher(pattern)
            return lambda value: search(_text(value))
        case Among(_, values):
            return lambda value: any(_compare(value, "=", wanted) for wanted in values)
        case KeyComparison(_, sign, wanted):
            return lambda value: _compare(value, sign, wanted)
        case _:
            raise AssertionError(leaf)


def _of_note(leaf: Leaf) -> Callable[[str], bool]:
    match leaf:
        case KeyMatch(_, pattern):
            return _matcher(pattern)
        case Among(_, values):
            return lambda text: any(_equal(_as(text, wanted), wanted) for wanted in values)
        case KeyComparison(_, sign, wanted):
            return lambda text: _compare(_as(text, wanted), sign, wanted)
        case _:
            raise AssertionError(leaf)


_SAID: dict[str, Value] = {"true": True, "false": False, "null": None}


def _as(text: str, wanted: Value) -> Value:
    """A text as the kind of value that it is compared with, if it says one."""
    if isinstance(wanted, str):
        return text
    said = text.strip()
    if isinstance(wanted, bool) or wanted is None:
        return _SAID.get(said.lower(), text)
    try:
        return float(said) if not said.lstrip("+-").isdecimal() else int(said)
    except ValueError:
        return text


def _compare(value: Value, sign: str, wanted: Value) -> bool:
    """Things of different kinds are only ever unequal; a NaN equals the word nan."""
    if sign in ("=", "!="):
        return _equal(value, wanted) == (sign == "=")
    if _is_number(value) and _is_number(wanted):
        return _ORDER[sign](value, wanted)
    if isinstance(value, str) and isinstance(wanted, str):
        return _ORDER[sign](value, wanted)
    return False


def _equal(value: Value, wanted: Value) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return isinstance(wanted, str) and wanted.lower() == "nan"
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _matcher(pattern: Pattern) -> Callable[[str], bool]:
    """Letter case does not matter, but in a regular expression."""
    if pattern.regex:
        search = re.compile(pattern.text).search
        return lambda text: search(text) is not None
    lowered = pattern.text.lower()
    if not re.search(r"[*?\[]", lowered):
        return lambda text: lowered in text.lower()
    glob = re.compile(translate(lowered)).fullmatch
    return lambda text: glob(text.lower()) is not None


def unknown_key(expression: str, key: Key, known: Iterable[str]) -> ExpressionError:
    """For a key that no version has, with the nearest that one has."""
    near = nearest(key.name, set(known) | set(FIELDS))
    return ExpressionError(
        f"no version has {key.name!r}", expression, start=key.start, length=key.length,
        kind="unknown-key",
        help=f"did you mean {' or '.join(near)}?" if near else "mvc log --metrics",
    )  # fmt: skip


def nearest(name: str, known: set[str]) -> list[str]:
    """What was probably meant: keys that end or begin with the name, else those that look alike."""
    from difflib import get_close_matches  # late: start-up

    near = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    ends = sorted(k for k in known if k.endswith("." + name) or k.startswith(name + "."))
    within = sorted((k for k in known if name.lower() in k.lower()), key=len)
    return ends[:3] or near or within[:3]


def known_keys(versions: Iterable[Glance]) -> Iterator[str]:
    for version in versions:
        yield from version.keys()
