"""Globs of paths, as the settings of a workspace have them: they read as in `.mvcignore`.

One without `/` (but at its end) matches a name at any depth, another one the path from the root; `*` and `?`
stay within one part, `**` spans parts; what matches a directory matches all below it.
"""

from __future__ import annotations

import re

from mvcd.inspect.patterns import Sign, Token, expression

_GLOB_TOKEN = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_SPANNING: dict[str, list[Token]] = {
    "**/": [Sign.PARTS],
    "/**/": [Sign.SLASH, Sign.PARTS],
    "/**": [Sign.SLASH, ".", Sign.REST],
    "?": ["[^/]"],
    "/": [Sign.SLASH],
}


def compile_glob(glob: str) -> re.Pattern[str]:
    """For whole paths. Raises ValueError. The tests hold this against pathspec's reading of gitignore(5)."""
    body = glob.removesuffix("/")
    if not body or glob.startswith("!"):
        raise ValueError(f"{glob!r} is no glob: it is empty, or begins with !")
    anywhere = "/" not in body
    body = re.sub(r"(^|/)(?:\*\*/)+", r"\1**/", body.removeprefix("/"))
    tokens = [token for text in _GLOB_TOKEN.findall(body) for token in _tokens(text)]
    below = "/.*" if glob.endswith("/") else "(?:/.*)?"
    try:
        inner = expression([Sign.PARTS] * anywhere + tokens)
        if inner is None:
            raise ValueError(f"{glob[:40]!r}… is longer than any path")
        return re.compile(inner + below, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{glob!r} is no glob: {error}") from None


def _tokens(token: str) -> list[Token]:
    if token in _SPANNING:
        return _SPANNING[token]
    if token.startswith("*"):
        return [Sign.STAR]
    if token.startswith("[") and len(token) > 1:
        negated = token.startswith("[!")
        members = token[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
        members = "\\" + members if members.startswith(("]", "^")) else members
        return [f"(?!/)[{'^' if negated else ''}{members}]"]
    return [re.escape(token)]
