"""Regular expressions for patterns of paths, which match in time proportional to pattern times path.

Patterns come with clones (`.mvcignore`, `mvc.toml`). Written out plainly, `*a*a*a*a*b` makes an expression that
tries every way to share a name among its stars: for 20 stars and a name of 100 letters that is longer than
anybody lives.

But a star never needs a second try. Within one part of a path, the text after a star may as well match at the
first place where it does, for what comes later then has the most to choose from; only the last text of a part
must stand at its end. The same holds for `**/` and the parts after it. So each star with what follows it is an
atomic group (`(?>...)`, Python 3.11), which `re` never enters again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from mvcd.objects.entry import MAX_PATH_BYTES


class Sign(Enum):
    """What in a pattern is no single character."""

    SLASH = "/"
    STAR = "*"  # any characters within one part
    PARTS = "**/"  # any number of whole parts, also none; only where a part begins
    REST = "/**"  # anything; only at the end


Token = str | Sign
"""A sign, or the expression of one character."""


def expression(tokens: Sequence[Token]) -> str | None:
    """For `fullmatch` with DOTALL on a path without empty parts; None for what is longer than any path."""
    if sum(isinstance(token, str) for token in tokens) > MAX_PATH_BYTES:
        return None
    runs = _split(tokens, Sign.PARTS)
    first, last = runs[0], runs[-1]
    if len(runs) == 1:
        return _run(first)
    middle = "".join(f"(?>(?:[^/]*/)*?{_run(run)})" for run in runs[1:-1] if run)
    return f"{_run(first)}{middle}(?:[^/]*/)*{_run(last)}"


def _run(tokens: Sequence[Token]) -> str:
    """Of parts that stand side by side."""
    rest = ".*" if tokens and tokens[-1] is Sign.REST else ""
    inner = tokens[:-1] if rest else tokens
    return "/".join(_part(part) for part in _split(inner, Sign.SLASH)) + rest


def _part(tokens: Sequence[Token]) -> str:
    head, *texts = ("".join(_characters(text)) for text in _split(tokens, Sign.STAR))
    if not texts:
        return head
    middle = "".join(f"(?>[^/]*?{text})" for text in texts[:-1] if text)  # "**" is "*"
    return f"(?>{head}{middle}[^/]*{texts[-1]})"


def _characters(tokens: Iterable[Token]) -> Iterable[str]:
    for token in tokens:
        assert isinstance(token, str), "a sign where none may stand"
        yield token


def _split(tokens: Sequence[Token], sign: Sign) -> list[list[Token]]:
    runs: list[list[Token]] = [[]]
    for token in tokens:
        if token is sign:
            runs.append([])
        else:
            runs[-1].append(token)
    return runs
