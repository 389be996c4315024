"""Patterns that came with a clone: they mean what they did, and none is slow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.daemon.limits import load
from mvcd.daemon.sets import fnmatchcase
from mvcd.errors import Failure, UsageError
from mvcd.inspect.components import ComponentRules
from mvcd.inspect.direction import MetricRules
from mvcd.inspect.patterns import Sign, Token, expression
from mvcd.objects.entry import MAX_PATH_BYTES
from mvcd.repo.release.requirement import RequiredExpression
from mvcd.repo.workspace import ignore

SECONDS = 2.0
"""For what takes milliseconds; the plain expressions took years."""


def oracle(tokens: list[Token], path: str) -> bool:
    """Straight from the definition; exponential."""
    if not tokens or tokens[0] is Sign.REST:
        return bool(tokens) or not path
    first, *left = tokens
    if first is Sign.PARTS:
        ends = [0] + [at + 1 for at, character in enumerate(path) if character == "/"]
        return any(oracle(left, path[at:]) for at in ends)
    if first is Sign.STAR:
        most = len(path.split("/", maxsplit=1)[0])
        return any(oracle(left, path[at:]) for at in range(most + 1))
    wanted = "/" if first is Sign.SLASH else f"(?!/){first}"
    return bool(path and re.fullmatch(wanted, path[0])) and oracle(left, path[1:])


runs = st.lists(st.sampled_from(["a", "b", "[^/]", "[ab]", Sign.STAR]), min_size=1, max_size=4)
patterns = st.lists(st.tuples(st.booleans(), runs), min_size=1, max_size=4)
paths = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=5).map("/".join)


@given(patterns, st.booleans(), paths)
def test_they_mean_what_they_say(
    parts: list[tuple[bool, list[Token]]], rest: bool, path: str
) -> None:
    tokens: list[Token] = []
    for number, (spanning, run) in enumerate(parts):
        tokens += [Sign.SLASH] if number else []
        tokens += [Sign.PARTS] if spanning else []
        tokens += run
    tokens += [Sign.SLASH, Sign.REST] if rest else []
    made = expression(tokens)
    assert made is not None
    assert bool(re.fullmatch(made, path, re.DOTALL)) == oracle(tokens, path)


NAME = "a" * 255
DEEP = "a/" * 2000 + "a"
HOSTILE = [
    "*a" * 100 + "b", "a*" * 120 + "b", "*?" * 100 + "b", "**/" * 500 + "b", "**/a/" * 300 + "b",
    "*/" * 500 + "b", "**/*a*a*a*a*a*/" * 50 + "b", "[a]*" * 80 + "b", "*[!b]" * 100 + "b", "a**" * 100 + "b",
    "/**/*" * 200 + "b", "*" * 4000 + "b", "**/" * 20 + "*a*" * 20 + "/**",
]  # fmt: skip


def ignored(pattern: str, path: str) -> object:
    *above, name = path.split("/")
    del above
    rules = ignore.IgnoreRules.top().here(pattern)
    return rules.match(name, directory=False), ignore.Patterns([pattern]).match(path)


def watched(pattern: str, path: str) -> object:
    from mvcd.daemon.limits import DaemonLimits

    return DaemonLimits(include=(pattern,), exclude=(pattern,)).left_alone(path)


MATCHERS: dict[str, Callable[[str, str], object]] = {
    "mvcignore": ignored,
    "components": lambda p, path: ComponentRules.default().with_overrides({"data": [p]}).component_of(path),
    "metrics": lambda p, path: MetricRules.of({"lower": [p]}).direction(path),
    "watch": watched,
    "watch.sets": lambda p, path: fnmatchcase(path, p),
}  # fmt: skip


@pytest.mark.parametrize("matcher", MATCHERS)
@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda p: p[:12])
def test_none_is_slow(matcher: str, pattern: str) -> None:
    begun = time.thread_time()
    for path in (NAME, NAME + "/" + NAME, DEEP):
        MATCHERS[matcher](pattern, path)
    assert time.thread_time() - begun < SECONDS


def test_a_whole_file_of_them_is_read_in_seconds(tmp_path: Path) -> None:
    """The largest that is taken: 1 MiB."""
    line = "*a" * 2000 + "b\n"
    (tmp_path / ".mvcignore").write_text(line * ((1 << 20) // len(line)))
    (tmp_path / NAME[:200]).touch()
    begun = time.thread_time()
    assert ignore.check(str(tmp_path), NAME[:200]) is None
    assert time.thread_time() - begun < 10 * SECONDS


def test_what_is_longer_than_any_path_matches_nothing() -> None:
    assert expression(["a"] * MAX_PATH_BYTES) is not None
    assert expression(["a"] * (MAX_PATH_BYTES + 1)) is None
    assert ignore.IgnoreRules.top().here("a" * 10_000).match("a", directory=False) is None
    with pytest.raises(ValueError, match="longer than any path"):
        ComponentRules.default().with_overrides({"data": ["a" * 10_000]})


def test_a_rule_of_a_clone_takes_no_regular_expression() -> None:
    names: Any = None
    with pytest.raises(UsageError, match="no regular expression"):
        RequiredExpression("message ~ /(a+)+$/", names, now_us=0, rule=True)
    RequiredExpression("message ~ /(a+)+$/", names, now_us=0, rule=False)


@pytest.mark.parametrize(
    "text",
    ['[watch]\nmax_size = "' + "9" * 100_000 + ' x"\n', '[watch]\nmax_size = "' + "9" * 400 + ' GiB"\n',
     "a = " + "[" * 100_000, "# " + "x" * (2 << 20)],
    ids=["long", "infinite", "deep", "large"],
)  # fmt: skip
def test_a_table_that_cannot_be_read_ends_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "mvc.toml").write_text(text)
    begun = time.thread_time()
    with pytest.raises(Failure) as caught:
        load(str(tmp_path))
    assert caught.value.kind == "bad-config"
    assert time.thread_time() - begun < SECONDS
