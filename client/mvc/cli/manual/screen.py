"""A page as text for a terminal, laid out as man(1) does: headings flush, all else indented."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import click

from mvc.cli.manual.page import Block, Item, ManualPage, Verbatim

WIDEST_COLUMNS = 100
"""Columns: longer lines are hard to read, however wide the terminal is."""
NARROWEST_COLUMNS = 40
INDENT_COLUMNS = 4
"""Columns: lines that are shown as they stand may have 76, to fit 80."""
BESIDE_COLUMNS = 18
"""Columns: where the longest term has more, texts begin on lines of their own."""


def lines(page: ManualPage, *, columns: int) -> Iterator[str]:
    """The page in lines of at most `columns`, but for those that are shown as they stand."""
    width = max(NARROWEST_COLUMNS, min(columns, WIDEST_COLUMNS))
    yield _heading("NAME")
    yield from _wrapped(f"{page.name} - {page.summary}", INDENT_COLUMNS, width)
    yield ""
    yield _heading("SYNOPSIS")
    yield from _wrapped(page.synopsis, INDENT_COLUMNS, width)
    yield ""
    yield _heading("DESCRIPTION")
    yield from _body(page.body, INDENT_COLUMNS, width)
    yield from _sections(page, width)
    if page.below:
        yield _heading("VERBS")
    for below in page.below:
        yield from _below(below, page, width)
    if page.see:
        yield _heading("SEE ALSO")
        yield from _wrapped(
            ", ".join(f"mvc help {verb}" for verb in page.see), INDENT_COLUMNS, width
        )
        yield ""
    if len(page.words) > 1:
        yield _heading("OPTIONS OF EVERY VERB")
        yield from _wrapped(EVERYWHERE, INDENT_COLUMNS, width)


EVERYWHERE = (
    "-C DIR, -q, -v, --json, --color, --no-progress and --lock-timeout stand before or after any verb: "
    "mvc help mvc."
)


def _heading(title: str) -> str:
    return click.style(title, bold=True)


def _below(page: ManualPage, above: ManualPage, width: int) -> Iterator[str]:
    yield from (click.style(line, bold=True) for line in _wrapped(page.synopsis, 2, width))
    yield from _body(page.body, INDENT_COLUMNS, width)
    for title, items in page.apart_from(above).sections.items():
        yield f"{' ' * INDENT_COLUMNS}{title}:"
        yield from _items(items, INDENT_COLUMNS + 2, width)
        yield ""
    for below in page.below:
        yield from _below(below, page, width)


def _sections(page: ManualPage, width: int) -> Iterator[str]:
    for title, items in page.sections.items():
        yield _heading(title.upper())
        yield from _items(items, INDENT_COLUMNS, width)
        yield ""


def _body(blocks: Sequence[Block], indent: int, width: int) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Verbatim):
            yield from (f"{' ' * indent}{line}".rstrip() for line in block.lines)
        else:
            yield from _wrapped(block.text, indent, width)
        yield ""


def _items(items: Sequence[Item], indent: int, width: int) -> Iterator[str]:
    """Terms that are all short stand beside their texts, others above them."""
    longest = max((len(item.term) for item in items), default=0)
    for item in items:
        if longest <= BESIDE_COLUMNS:
            hung = indent + longest + 2
            first, *more = _wrapped(item.text, hung, width)
            yield f"{' ' * indent}{item.term:<{longest}}  {first[hung:]}"
            yield from more
        else:
            yield " " * indent + item.term
            yield from _wrapped(item.text, indent + 4, width)


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [margin]
