"""A page of the manual as values: what it says, and not how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Paragraph:
    """Running text, to be broken into lines where it is shown."""

    text: str


@dataclass(frozen=True)
class Verbatim:
    """Lines whose spaces carry meaning: examples and small tables."""

    lines: tuple[str, ...]


Block = Paragraph | Verbatim


@dataclass(frozen=True)
class Item:
    """A term, like an option or an exit code, and what it means."""

    term: str
    text: str


OPTIONS, EXITS = "Options", "Exit status"
"""Titles of sections that most pages have."""
HELP = "-h, --help"


@dataclass(frozen=True)
class ManualPage:
    """One command. `below` are the pages of its own verbs, `sections` its lists by title."""

    words: tuple[str, ...]
    summary: str
    synopsis: str
    body: tuple[Block, ...]
    sections: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    below: tuple[ManualPage, ...] = ()
    see: tuple[str, ...] = ()
    """Verbs that the page mentions, in the order of `mvc --help`."""

    def apart_from(self, above: ManualPage) -> ManualPage:
        """This page as a part of `above`: without --help, and without the exit codes that are told there."""
        told = above.sections.get(EXITS, ())
        sections = {
            title: tuple(i for i in items if i.term != HELP and (title != EXITS or i not in told))
            for title, items in self.sections.items()
        }
        return replace(self, sections={title: items for title, items in sections.items() if items})

    @property
    def command(self) -> str:
        return " ".join(self.words)

    @property
    def name(self) -> str:
        """The name by which man(1) finds it: `mvc-log`."""
        return "-".join(self.words)
