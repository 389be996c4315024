"""From an expression to a condition: a parser of one token's look-ahead, without a grammar tool."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from mvcd.errors import ExpressionError
from mvcd.objects.version import Value
from mvcd.repo.history.query.tree import (
    BARE,
    KEYWORDS,
    Among,
    And,
    Condition,
    Has,
    Key,
    KeyComparison,
    KeyMatch,
    Not,
    Or,
    Pattern,
)

MAX_CHARACTERS = 4096
"""Characters of an expression."""

MAX_LEVELS = 100
"""Parentheses, and `not`s, within each other."""

MAX_CONDITIONS = 200
"""Comparisons in one expression."""

_SPACE = re.compile(r"\s*")
_SIGN = re.compile(r"<=|>=|==|!=|!~|=|<|>|~")
_PUNCTUATION = re.compile(r"[(),]")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SINGLE = re.compile(r"'[^']*'")
_REGEX = re.compile(r"/(?:[^/\\]|\\.)*/", re.DOTALL)
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_NUMBER = re.compile(
    r"[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf)", re.IGNORECASE
)
_INT64 = 1 << 63


def parse(text: str) -> Condition:
    """Raises ExpressionError, which says where and what was expected there."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"an expression of more than {MAX_CHARACTERS} characters", text[:80])
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._conditions = 0
        self._skip()

    def whole(self) -> Condition:
        if self._ended:
            self._fail("the expression is empty", expected="a condition such as val_acc>0.9")
        condition = self._either()
        if not self._ended:
            self._fail("the expression goes on", expected="and, or, or the end")
        return condition

    # ---------------------------------------------------------------- conditions

    def _either(self) -> Condition:
        condition = self._both()
        while self._word("or"):
            condition = Or(condition, self._both())
        return condition

    def _both(self) -> Condition:
        condition = self._one()
        while self._word("and"):
            condition = And(condition, self._one())
        return condition

    def _one(self) -> Condition:
        self._depth += 1
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            self._fail(f"more than {MAX_CONDITIONS} conditions")
        if self._depth > MAX_LEVELS:
            self._fail(f"more than {MAX_LEVELS} conditions within each other")
        try:
            if self._word("not"):
                return Not(self._one())
            if self._punctuation("("):
                condition = self._either()
                if not self._punctuation(")"):
                    self._fail("a parenthesis is not closed", expected=") here")
                return condition
            if self._word("has"):
                return Has(self._key())
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        key = self._key()
        if self._word("in"):
            return Among(key, self._values())
        if self._word("not"):
            if not self._word("in"):
                self._fail("`not` stands alone", expected="in after it, or `not` before the key")
            return Not(Among(key, self._values()))
        sign = self._take(_SIGN)
        if sign is None:
            self._fail(
                f"{key.name!r} is compared with nothing",
                expected=f"= != < <= > >= ~ or in; or: has {key}",
            )
        if sign in ("~", "!~"):
            match = KeyMatch(key, self._pattern())
            return match if sign == "~" else Not(match)
        return KeyComparison(key, "=" if sign == "==" else sign, self._value())

    # ---------------------------------------------------------------- words

    def _key(self) -> Key:
        start = self._at
        if (quoted := self._take(_DOUBLE)) is not None:
            return Key(self._unquoted(quoted, start), start, len(quoted))
        bare = self._peek(BARE)
        if bare is None or bare.lower() in KEYWORDS:
            self._fail("a key is missing", expected="a metric, a hyperparameter or a field")
        self._advance(len(bare))
        return Key(bare, start, len(bare))

    def _values(self) -> tuple[Value, ...]:
        if not self._punctuation("("):
            self._fail("`in` wants a list", expected="(VALUE, VALUE)")
        values = [self._value()]
        while self._punctuation(","):
            values.append(self._value())
        if not self._punctuation(")"):
            self._fail("the list is not closed", expected=", or )")
        return tuple(values)

    def _value(self) -> Value:
        start = self._at
        if (quoted := self._take(_DOUBLE)) is not None:
            return self._unquoted(quoted, start)
        if (quoted := self._take(_SINGLE)) is not None:
            return quoted[1:-1]
        bare = self._take(BARE)
        if bare is None:
            self._fail("a value is missing", expected="a number, a word or quoted text")
        return _bare_value(bare)

    def _pattern(self) -> Pattern:
        start = self._at
        if (regex := self._take(_REGEX)) is not None:
            try:
                re.compile(regex[1:-1])
            except (re.error, RecursionError, OverflowError) as error:
                self._at = start
                self._fail(f"{regex} is no regular expression: {error}", length=len(regex))
            return Pattern(regex[1:-1], regex=True)
        if (quoted := self._take(_DOUBLE)) is not None:
            return Pattern(self._unquoted(quoted, start))
        if (quoted := self._take(_SINGLE)) is not None:
            return Pattern(quoted[1:-1])
        bare = self._take(BARE)
        if bare is None:
            self._fail("a pattern is missing", expected="text, a glob such as res*, or /regex/")
        return Pattern(bare)

    def _unquoted(self, quoted: str, start: int) -> str:
        try:
            text = json.loads(quoted, strict=False)
            text.encode("utf-8")
        except ValueError:
            self._at = start
            self._fail("this quoted text has an unknown escape", length=len(quoted))
        assert isinstance(text, str)
        return text

    # ---------------------------------------------------------------- characters

    @property
    def _ended(self) -> bool:
        return self._at >= len(self._text)

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _advance(self, count: int) -> None:
        self._at += count
        self._skip()

    def _peek(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        return found.group() if found else None

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = self._peek(pattern)
        if found is not None:
            self._advance(len(found))
        return found

    def _word(self, word: str) -> bool:
        if (self._peek(BARE) or "").lower() != word:
            return False
        self._advance(len(word))
        return True

    def _punctuation(self, sign: str) -> bool:
        if self._peek(_PUNCTUATION) != sign:
            return False
        self._advance(1)
        return True

    def _fail(self, what: str, *, expected: str | None = None, length: int = 1) -> NoReturn:
        if self._text[self._at : self._at + 1] in ("'", '"') and length == 1:
            what, expected = "a quotation is not closed", f"another {self._text[self._at]}"
        raise ExpressionError(
            what, self._text, start=self._at, length=length,
            cause=None if expected is None else f"expected {expected}",
            help="mvc log --help  (explains --where)",
        )  # fmt: skip


def _bare_value(word: str) -> Value:
    lowered = word.lower()
    if lowered in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[lowered]
    if _INTEGER.fullmatch(word) and "__" not in word and not word.endswith("_"):
        integer = int(word) if len(word) < 24 else _INT64
        return integer if -_INT64 <= integer < _INT64 else float(word.replace("_", ""))
    return float(word) if _NUMBER.fullmatch(word) else word
