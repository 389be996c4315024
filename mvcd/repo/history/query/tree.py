"""Conditions as values. `str(condition)` is an expression that parses to an equal one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mvcd.objects.version import Value

KEYWORDS = frozenset("and or not in has true false null".split())
BARE = re.compile(r"[^\s()<>=!~,'\"]+")


@dataclass(frozen=True, slots=True)
class Key:
    """A field, metric or hyperparameter, and where in the expression it stands."""

    name: str
    start: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if BARE.fullmatch(self.name) and self.name.lower() not in KEYWORDS:
            return self.name
        return _quoted(self.name)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What `~` compares with: part of a text or a glob, or a regular expression."""

    text: str
    regex: bool = False

    def __str__(self) -> str:
        return f"/{self.text}/" if self.regex else _quoted(self.text)


@dataclass(frozen=True, slots=True)
class KeyComparison:
    key: Key
    sign: str  # "=", "!=", "<", "<=", ">" or ">="
    value: Value

    def __str__(self) -> str:
        return f"{self.key} {self.sign} {_literal(self.value)}"


@dataclass(frozen=True, slots=True)
class KeyMatch:
    key: Key
    pattern: Pattern

    def __str__(self) -> str:
        return f"{self.key} ~ {self.pattern}"


@dataclass(frozen=True, slots=True)
class Among:
    key: Key
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.key} in ({', '.join(map(_literal, self.values))})"


@dataclass(frozen=True, slots=True)
class Has:
    key: Key

    def __str__(self) -> str:
        return f"has {self.key}"


@dataclass(frozen=True, slots=True)
class Not:
    inner: Condition

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True, slots=True)
class And:
    left: Condition
    right: Condition

    def __str__(self) -> str:
        return f"({self.left}) and ({self.right})"


@dataclass(frozen=True, slots=True)
class Or:
    left: Condition
    right: Condition

    def __str__(self) -> str:
        return f"({self.left}) or ({self.right})"


Leaf = KeyComparison | KeyMatch | Among | Has
Condition = Leaf | Not | And | Or


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The comparisons of a condition, from left to right."""
    match condition:
        case Not(inner):
            yield from leaves(inner)
        case And(left, right) | Or(left, right):
            yield from leaves(left)
            yield from leaves(right)
        case _:
            yield condition


def _literal(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
