"""A page as Markdown: what a forge shows well, and a person can read as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mvc.cli.manual.page import Block, Item, ManualPage, Paragraph, Verbatim

_SPECIAL = re.compile(r"([\\`*_<~])")
"""What would begin markup. Brackets do not: nothing defines a link."""
_CODE = re.compile(r"(?<![\w-])(--?[a-zA-Z][\w-]*|`[^`]+`|[A-Z]+_[A-Z_]+)(?![\w])")
_VERB = re.compile(r"\bmvc ([a-z]+(?:-[a-z]+)*)")


def document(page: ManualPage, links: Mapping[str, str], *, home: str | None) -> str:
    """The page. `links` has the file of each verb, `home` the file of the page that lists them all."""
    return "\n".join(_page(page, links, home)).rstrip("\n") + "\n"


def _page(page: ManualPage, links: Mapping[str, str], home: str | None) -> Iterator[str]:
    links = {name: file for name, file in links.items() if name not in page.words}
    yield f"# {page.command}"
    yield from _synopsis(page)
    yield from _body(page.body, links)
    for title, items in page.sections.items():
        yield f"## {title}"
        yield ""
        yield from _items(items, links, verbs=title.startswith("Verbs"))
        yield ""
    for below in page.below:
        yield from _below(below, page, links, "##")
    if home is not None:
        yield f"Options of every verb, environment and files: [{home.removesuffix('.md')}]({home})."


def _below(
    page: ManualPage, above: ManualPage, links: Mapping[str, str], level: str
) -> Iterator[str]:
    yield f"{level} {page.command}"
    yield from _synopsis(page)
    yield from _body(page.body, links)
    for title, items in page.apart_from(above).sections.items():
        yield f"{title}:"
        yield ""
        yield from _items(items, links)
        yield ""
    for below in page.below:
        yield from _below(below, page, links, level + "#")


def _synopsis(page: ManualPage) -> Iterator[str]:
    yield from ("", "```text", page.synopsis, "```", "")


def _body(blocks: Sequence[Block], links: Mapping[str, str]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Verbatim):
            yield from ("```text", *block.lines, "```", "")
        elif isinstance(block, Paragraph):
            yield from (_prose(block.text, links), "")


def _items(
    items: Sequence[Item], links: Mapping[str, str], *, verbs: bool = False
) -> Iterator[str]:
    for item in items:
        term = f"`{item.term}`"
        yield f"- {f'[{term}]({links[item.term]})' if verbs else term}: {_prose(item.text, links)}"


def _prose(text: str, links: Mapping[str, str]) -> str:
    """Text with options and variables as code, and verbs as links to their pages."""
    found, end = [], 0
    for match in _CODE.finditer(text):
        found += [_linked(text[end : match.start()], links), f"`{match[1].strip('`')}`"]
        end = match.end()
    return "".join([*found, _linked(text[end:], links)])


def _linked(text: str, links: Mapping[str, str]) -> str:
    def link(match: re.Match[str]) -> str:
        file = links.get(match[1])
        return f"[mvc {match[1]}]({file})" if file else match[0]

    return _VERB.sub(link, _SPECIAL.sub(r"\\\1", text))
