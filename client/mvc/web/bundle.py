"""The page's modules as one classic script: from a file, browsers load no modules.

The modules are written in a narrow form, which the test of this module holds them to: imports of names from
'/static/...' at the beginning of a line, `export` before a declaration, a list in braces, or `default
function`, and import('/static/...') for what is loaded late. Whatever else says import or export is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_IMPORT = re.compile(r"^import \{([^}]*)\} from '/static/([^']+)';$", re.MULTILINE)
_LATE = re.compile(r"\bimport\('/static/([^']+)'\)")
_DECLARED = re.compile(
    r"^export (?=(?:async function|function|const|class) (\w+))|^export default function (\w+)",
    re.MULTILINE,
)
_LISTED = re.compile(r"(?:^|;)\s*export ?\{([^}]*)\};?\s*$")
_LEFT = re.compile(r"^\s*(?:import|export)\b|\bimport\(", re.MULTILINE)

Texts = Mapping[str, str]
"""Modules by their paths below /static/."""


def bundle(texts: Texts, entry: str, instead: Texts = MappingProxyType({})) -> str:
    """One script of `entry` and all that it imports, each module once, those that it needs before it.

    `instead` names modules that stand in for others. Raises ValueError for a module in another form, one that
    is not there, and for a circle of imports.
    """
    order: list[str] = []
    under_way: list[str] = []

    def visit(path: str) -> None:
        if path in order:
            return
        if path in under_way:
            raise ValueError(f"modules import each other: {' -> '.join([*under_way, path])}")
        under_way.append(path)
        for needed in _needed(_text(texts, instead.get(path, path))):
            visit(needed)
        order.append(under_way.pop())

    visit(entry)
    names = {path: f"m{at}" for at, path in enumerate(order)}
    parts = [
        f"const {names[path]} = (() => {{\n"
        f"{_inlined(_text(texts, instead.get(path, path)), path, names.__getitem__)}\n}})();\n"
        for path in order
    ]
    return "'use strict';\n(() => {\n" + "".join(parts) + "})();\n"


def _text(texts: Texts, path: str) -> str:
    if path not in texts:
        raise ValueError(f"there is no module {path}")
    return texts[path]


def _needed(text: str) -> list[str]:
    return [match[2] for match in _IMPORT.finditer(text)] + _LATE.findall(text)


def _inlined(text: str, path: str, name: Callable[[str], str]) -> str:
    """The body of a function that returns what the module exports."""
    exported: dict[str, str] = {}

    def declare(match: re.Match[str]) -> str:
        if match[2]:
            exported["default"] = match[2]
            return f"function {match[2]}"
        exported[match[1]] = match[1]
        return ""

    def listed(match: re.Match[str]) -> str:
        for pair in match[1].split(","):
            inner, _, outer = pair.strip().partition(" as ")
            exported[outer or inner] = inner
        return ";"

    text = _IMPORT.sub(lambda m: f"const {{{m[1].replace(' as ', ': ')}}} = {name(m[2])};", text)
    text = _LATE.sub(lambda m: f"Promise.resolve({name(m[1])})", text)
    text = _LISTED.sub(listed, _DECLARED.sub(declare, text))
    if left := _LEFT.search(text):
        line = text[left.start() :].strip().partition("\n")[0]
        raise ValueError(f"{path} has an import or export of another form: {line[:80]}")
    given = ", ".join(f"{outer}: {inner}" for outer, inner in sorted(exported.items()))
    return f"{text}\nreturn {{ {given} }};"
