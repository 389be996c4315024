"""A page of headings, texts and tables, as Markdown and as HTML. What it shows may be hostile.

Names, messages and values come from files and people of all kinds. In Markdown what has a meaning is
escaped, so that text can be no markup, link or table cell; in HTML the page allows itself nothing but its own
style, and loads nothing from anywhere. Control characters and those that reorder text are written out.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1.25rem; max-width: 62rem; }
body.wide { max-width: none; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; white-space: pre-line; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .5rem 0; }
div { overflow-x: auto; }
th { text-align: left; font-weight: 600; color: var(--dim); white-space: nowrap; }
th, td { padding: .2rem 1.2rem .2rem 0; vertical-align: top; }
td { overflow-wrap: break-word; white-space: pre-line; }
tr + tr > *, thead + tbody > tr > * { border-top: 1px solid var(--line); }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .85em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.s { white-space: nowrap; }
footer { margin-top: 2.5rem; color: var(--dim); font-size: .85em; }
"""
_UNBROKEN_CHARACTERS = 16
"""Letters of code that stay on one line: the beginning of a digest."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What CommonMark and GitHub's extensions give a meaning anywhere in a line. Inside a word "_" has none."""
_LINKING = re.compile(r"[&<>@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""Entities, and what would become HTML or, on GitHub, a link; written as entities."""
_OPENING = re.compile(r"^(\d{1,9})?([.)](?=\s|$)|[+-](?=\s|$)|#{1,6}(?=\s|$)|[-=]+\s*$)")
"""What would make a line a heading, an item of a list, or the rule under a heading; not in a cell."""
_REORDERING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Code:
    """A digest or a command, shown in a fixed-width font."""

    text: str


Cell = str | Code | int | tuple["Cell", ...]
"""Text, code, a number (which stands flush right), or several of them one below the other."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows below an optional `head`; without one, the first column names what the second says."""

    rows: Sequence[Sequence[Cell]]
    head: Sequence[str] = ()


Block = str | Code | PageTable


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and the texts and tables below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """A title and its sections."""

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section]
    foot: str
    wide: bool = False

    def markdown(self) -> str:
        """CommonMark with GitHub's tables, ending in a newline."""
        lines = [f"# {_escaped(self.title)}", ""]
        for block in self.lead:
            lines += [*_markdown_block(block), ""]
        for section in self.sections:
            lines += [f"## {_escaped(section.title)}", ""]
            for block in section.blocks:
                lines += [*_markdown_block(block), ""]
        return "\n".join([*lines, f"*{_escaped(self.foot)}*", ""])

    def html(self) -> str:
        """One self-contained page."""
        body = [f"<h1>{html_text(self.title)}</h1>", *map(_html_block, self.lead)]
        for section in self.sections:
            body += [f"<h2>{html_text(section.title)}</h2>", *map(_html_block, section.blocks)]
        style = ' class="wide"' if self.wide else ""
        return "\n".join(
            [
                "<!doctype html>",
                '<html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{html_text(self.title)}</title>",
                f"<style>{_STYLE}</style></head><body{style}>",
                *body,
                f"<footer>{html_text(self.foot)}</footer>",
                "</body></html>",
                "",
            ]
        )


# -------------------------------------------------------------------- Markdown


def _markdown_block(block: Block) -> Iterator[str]:
    if isinstance(block, PageTable):
        yield from _markdown_table(block)
    elif isinstance(block, Code):
        yield _markdown_code(block) or _line(block.text)
    else:
        for line in block.strip().split("\n"):
            yield f"{_line(line)}  " if line.strip() else ""  # two blanks: the line ends here


def _markdown_table(table: PageTable) -> Iterator[str]:
    columns = len(table.head) or max(map(len, table.rows), default=0)
    yield "| " + " | ".join(map(_escaped, table.head or [""] * columns)) + " |"
    yield "|" + "|".join("--:" if _numeric(table, i) else "---" for i in range(columns)) + "|"
    for row in table.rows:
        yield "| " + " | ".join(map(_markdown_cell, row)) + " |"


def _markdown_cell(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return "<br>".join(map(_markdown_cell, cell))
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, Code):
        return _markdown_code(cell) or _escaped(cell.text)
    return "<br>".join(map(_escaped, cell.strip().split("\n")))


def _markdown_code(code: Code) -> str | None:
    """None for what cannot stand between two backticks, in a table or out of one."""
    text = _visible(code.text).replace("\n", " ").strip()
    return None if not text or set(text) & set("`|\\") else f"`{text}`"


def _escaped(text: str) -> str:
    """Text in a line or cell that Markdown shows as it is."""
    line = _visible(text).replace("\n", " ").strip()
    return _LINKING.sub(_entity, _MARKUP.sub(r"\\\g<0>", line))


def _entity(match: re.Match[str]) -> str:
    character = match.group()
    return html.escape(character) if character in "&<>" else f"&#{ord(character)};"


def _line(text: str) -> str:
    """The same for a line of its own."""
    return _OPENING.sub(r"\g<1>\\\g<2>", _escaped(text))


# -------------------------------------------------------------------- HTML


def _html_block(block: Block) -> str:
    if isinstance(block, PageTable):
        return _html_table(block)
    if isinstance(block, Code):
        return f"<p>{_html_cell(block)}</p>"
    return f"<p>{html_text(block.strip())}</p>"


def _html_table(table: PageTable) -> str:
    head = ""
    if table.head:
        cells = [
            f'<th class="n">{html_text(t)}</th>'
            if _numeric(table, i)
            else f"<th>{html_text(t)}</th>"
            for i, t in enumerate(table.head)
        ]
        head = f"<thead><tr>{''.join(cells)}</tr></thead>"
    rows = []
    for row in table.rows:
        cells = []
        for index, cell in enumerate(row):
            tag = "th" if not table.head and index == 0 else "td"
            style = ' class="n"' if _numeric(table, index) else ""
            cells.append(f"<{tag}{style}>{_html_cell(cell)}</{tag}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<div><table>{head}<tbody>{''.join(rows)}</tbody></table></div>"


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return "<br>".join(map(_html_cell, cell))
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, Code):
        style = ' class="s"' if len(cell.text) <= _UNBROKEN_CHARACTERS else ""
        return f"<code{style}>{html_text(cell.text)}</code>"
    return html_text(cell)


def html_text(text: str) -> str:
    """Text that is nothing else in HTML."""
    return html.escape(_visible(text), quote=True)


# -------------------------------------------------------------------- both


def _numeric(table: PageTable, column: int) -> bool:
    return bool(table.rows) and all(
        isinstance(row[column], int) for row in table.rows if column < len(row)
    )


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{ord(c):04x}" if _hidden(c) else c for c in text)


def _hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    return character != "\n" and (kind in ("Cc", "Cs", "Zl", "Zp") or character in _REORDERING)
