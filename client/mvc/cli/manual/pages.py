"""Reads commands of click into pages. Nothing is said twice: the text is the help of the commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence

import click

from mvc.cli import errors
from mvc.cli.examples import examples
from mvc.cli.main import cli, no_such_verb
from mvc.cli.manual import surroundings
from mvc.cli.manual.page import EXITS, OPTIONS, Block, Item, ManualPage, Paragraph, Verbatim
from mvc.cli.options import Verb, VerbGroup
from mvc.cli.verbs import SECTIONS, SUMMARIES

_VERBATIM = "\b"
"""click's mark of a paragraph whose lines are not to be broken."""


def whole() -> ManualPage:
    """The page of `mvc` itself: options of every verb, the verbs, exit codes, environment and files."""
    context = _context(())
    sections = {OPTIONS: _options(context)}
    sections |= {f"Verbs: {name.lower()}": _items(verbs) for name, verbs in SECTIONS.items()}
    sections[EXITS] = tuple(Item(str(code), said) for code, said in errors.EXIT_HELP.items())
    sections["Environment"] = _items(surroundings.ENVIRONMENT)
    sections["Environment of programs that mvc starts"] = _items(surroundings.GIVEN)
    sections["Files"] = _items(surroundings.FILES)
    body = _blocks(context.command.help or "")
    return ManualPage(
        ("mvc",), "version control for machine-learning models", _synopsis(context), body, sections
    )


def page(*words: str) -> ManualPage:
    """The page of a verb (`page("log")`) or of a verb's verb (`page("op", "log")`).

    Raises click.UsageError, with verbs of a similar name, where there is none.
    """
    context = _context(words)
    command = context.command
    text = inspect.cleandoc(command.help or "")
    sections = {OPTIONS: _options(context)}
    if shown := examples(" ".join(words)):
        sections["Examples"] = _items(shown)
    assert isinstance(command, (Verb, VerbGroup))
    sections[EXITS] = tuple(Item(str(code), said) for code, said in command.exit_status().items())
    below = tuple(page(*words, name) for name in _names(context))
    return ManualPage(
        ("mvc", *words),
        SUMMARIES[words[0]] if len(words) == 1 else first_sentence(text),
        _synopsis(context),
        _blocks(text),
        sections,
        below,
        tuple(_mentioned([text, *_told(sections), *map(_words, below)], but=words[0])),
    )


def first_sentence(text: str) -> str:
    """The first sentence as the summary of a page: without its period, beginning in lower case."""
    line = " ".join(text.partition("\n\n")[0].split())
    line = re.split(r"(?<=[^.])[.;:] ", line + " ")[0].rstrip(". ")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def _context(words: Sequence[str]) -> click.Context:
    context = click.Context(cli, info_name="mvc", **cli.context_settings)
    for word in words:
        group = context.command
        command = group.get_command(context, word) if isinstance(group, click.Group) else None
        if command is None:
            raise _nothing(word, context)
        context = click.Context(command, info_name=word, parent=context)
    return context


def _nothing(word: str, context: click.Context) -> click.UsageError:
    if context.parent is None:
        return no_such_verb(word, context)
    from difflib import get_close_matches  # late: start-up

    error = click.UsageError(f"{context.command_path} has no verb {word!r}", context)
    near = get_close_matches(word, _names(context))
    error.possibilities = [f"{context.command_path} {name}" for name in near]  # type: ignore[attr-defined]
    return error


def _names(context: click.Context) -> Iterator[str]:
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield name


def _synopsis(context: click.Context) -> str:
    return " ".join([context.command_path, *context.command.collect_usage_pieces(context)])


def _options(context: click.Context) -> tuple[Item, ...]:
    options = (p for p in context.command.get_params(context) if isinstance(p, click.Option))
    records = (option.get_help_record(context) for option in options)
    return tuple(Item(term, " ".join(said.split())) for term, said in filter(None, records))


def _items(table: Mapping[str, str]) -> tuple[Item, ...]:
    return tuple(Item(term, said) for term, said in table.items())


def _blocks(text: str) -> tuple[Block, ...]:
    found: list[Block] = []
    for part in inspect.cleandoc(text).split("\n\n"):
        lines = part.split("\n")
        if lines[0] == _VERBATIM:
            found.append(Verbatim(tuple("" if line == _VERBATIM else line for line in lines[1:])))
        else:
            found.append(Paragraph(" ".join(part.split())))
    return tuple(found)


def _words(page: ManualPage) -> str:
    """All that a page says in running text."""
    said = [block.text for block in page.body if isinstance(block, Paragraph)]
    return " ".join([*said, *_told(page.sections), *map(_words, page.below)])


def _told(sections: Mapping[str, tuple[Item, ...]]) -> list[str]:
    return [item.text for items in sections.values() for item in items]


def _mentioned(texts: Sequence[str], *, but: str) -> Iterator[str]:
    """Verbs that the texts name, in the order of `mvc --help`."""
    named = {name for text in texts for name in re.findall(r"\bmvc ([a-z]+(?:-[a-z]+)*)", text)}
    return (name for name in SUMMARIES if name in named and name != but)
