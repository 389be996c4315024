"""A page in the language of man(1): macros of man(7) that every formatter has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mvc.cli.manual.page import Block, Item, ManualPage, Verbatim

BESIDE_CHARACTERS = 18
"""Characters: where the longest term has more, texts begin on lines of their own."""


def document(page: ManualPage, version: str) -> str:
    """The page of section 1. It bears no date, so that equal commands make equal pages."""
    return "\n".join(_page(page, version)) + "\n"


def _page(page: ManualPage, version: str) -> Iterator[str]:
    yield f'.TH "{_text(page.name.upper())}" 1 "" "mvc {version}" "mvc manual"'
    yield from (".nh", ".ad l")  # options and paths are not to be hyphenated or stretched
    yield ".SH NAME"
    yield f"{_text(page.name)} \\- {_text(page.summary)}"
    yield ".SH SYNOPSIS"
    yield _text(page.synopsis)
    yield ".SH DESCRIPTION"
    yield from _body(page.body)
    for title, items in page.sections.items():
        yield f'.SH "{_text(title.upper())}"'
        yield from _items(items)
    if page.below:
        yield ".SH VERBS"
    for below in page.below:
        yield from _below(below, page)
    yield ".SH SEE ALSO"
    names = ["mvc", *(f"mvc-{verb}" for verb in page.see)]
    yield _text(", ".join(f"{name}(1)" for name in names if name != page.name) or "mvcd(1)")


def _below(page: ManualPage, above: ManualPage) -> Iterator[str]:
    yield f'.SS "{_quoted(page.synopsis)}"'
    yield from _body(page.body)
    for title, items in page.apart_from(above).sections.items():
        yield ".PP"
        yield _text(f"{title}:")
        yield ".RS"
        yield from _items(items)
        yield ".RE"
    for below in page.below:
        yield from _below(below, page)


def _body(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield ".PP"
        if isinstance(block, Verbatim):
            yield from (".nf", *map(_text, block.lines), ".fi")
        else:
            yield _text(block.text)


def _items(items: Sequence[Item]) -> Iterator[str]:
    longest = max((len(item.term) for item in items), default=0)
    for item in items:
        yield f".TP {longest + 2}" if longest <= BESIDE_CHARACTERS else ".TP"
        yield f"\\fB{_text(item.term)}\\fR"
        yield _text(item.text)


def _text(text: str) -> str:
    """Characters that stand for themselves; none of them begins a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text)


def _quoted(text: str) -> str:
    return _text(text).replace('"', '""')
