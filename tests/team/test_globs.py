"""Patterns against a naive oracle."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mvcd.errors import UsageError
from mvcd.team.globs import matches, require_glob

NAMES = st.text("ab/", max_size=7)


def oracle(pattern: str, name: str) -> bool:
    """Straight from the definition; exponential."""
    if not pattern:
        return not name
    if pattern.startswith("**"):
        return any(oracle(pattern[2:], name[n:]) for n in range(len(name) + 1))
    if pattern[0] == "*":
        ends = range(len(name.split("/", maxsplit=1)[0]) + 1)
        return any(oracle(pattern[1:], name[n:]) for n in ends)
    if not name:
        return False
    if pattern[0] == "?":
        return name[0] != "/" and oracle(pattern[1:], name[1:])
    return name[0] == pattern[0] and oracle(pattern[1:], name[1:])


@given(st.text("ab/*?", max_size=7), NAMES)
@example("***", "a/")
@example("**", "")
@example("*", "/")
def test_patterns_mean_what_they_say(pattern: str, name: str) -> None:
    assert matches(pattern, name) == oracle(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("team/*", ["team/iris", "team/"], ["team", "team/iris/old", "teams/iris"]),
        ("team/**", ["team/iris", "team/iris/old"], ["team"]),
        ("heads/release-?", ["heads/release-1"], ["heads/release-10", "heads/release-/"]),
        ("a.c", ["a.c"], ["abc"]),
        ("**", ["", "anything/at/all"], []),
    ],
)
def test_examples(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not matches(pattern, name)] == []
    assert [name for name in no if matches(pattern, name)] == []


def test_no_pattern_is_slow() -> None:
    begun = time.thread_time()
    assert not matches("*a" * 60, "a" * 499 + "b")
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize("pattern", ["", "a b", "ä", "[ab]", "a" * 121, "a\n", "%"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(UsageError, match="not a pattern"):
        require_glob(pattern, "refs")
