"""Help, pinned: `data/help.txt` holds what every verb says of itself.

After a change that is meant, bless it:  MVC_BLESS=1 pytest tests/client/test_cli_help.py
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from mvc.cli.main import cli
from mvc.cli.options import COMPONENTS
from mvc.cli.verbs import SECTIONS, SUMMARIES
from tests.support.commandline import Mvc

PINNED = Path(__file__).parent / "data" / "help.txt"
ASKED = """init add untrack status commit log show diff checkout restore rollback branch switch tag cat ls
explain verify repair gc prune optimize du undo op config check-ignore doctor completion prompt demo version
workspace help watch unwatch run reproduce lineage promote stage export verify-deploy card catalogue sign
verify-signature
compare plot blame bisect stash revert cherry-pick admin audit login logout whoami
describe note remote clone fetch pull merge push follow ls-remote import oci
attest verify-attestation ui"""


def commands() -> list[tuple[str, ...]]:
    """The command line itself, every verb, and the verbs of verbs, as far down as they go."""
    found: list[tuple[str, ...]] = []

    def take(words: tuple[str, ...], command: click.Command | None) -> None:
        found.append(words)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                take((*words, name), command.get_command(context, name))

    take((), cli)
    return found


def test_help_is_as_pinned(mvc: Mvc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    pages = [f"$ mvc {' '.join([*w, '--help'])}\n{mvc(*w, '--help').out}" for w in commands()]
    text = "\n".join(pages)
    if os.environ.get("MVC_BLESS"):
        PINNED.parent.mkdir(exist_ok=True)
        PINNED.write_text(text)
    assert text == PINNED.read_text()


def test_the_verbs_are_those_that_were_asked_for() -> None:
    assert set(SUMMARIES) == set(ASKED.split())
    assert len(SUMMARIES) == sum(map(len, SECTIONS.values()))


def test_summaries_are_short() -> None:
    assert {v: s for v, s in SUMMARIES.items() if len(s.split()) > 8 or not s[0].islower()} == {}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself_and_its_options(words: tuple[str, ...]) -> None:
    context, command = click.Context(cli), cli
    for word in words:
        below = command.get_command(context, word)
        assert below is not None
        command = below  # type: ignore[assignment]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} of {words}"


def test_help_fits_a_terminal_of_80_columns() -> None:
    shown = [line for line in PINNED.read_text().splitlines() if not line.startswith("$ ")]
    assert [line for line in shown if len(line) > 80] == []


def test_the_components_are_those_of_the_package() -> None:
    import mvc

    assert tuple(c.value for c in mvc.Component) == COMPONENTS


def test_no_words_show_help_and_are_a_usage_error(mvc: Mvc) -> None:
    ran = mvc(code=2)
    assert (ran.out, ran.err) == ("", mvc("--help").out)


def test_version(mvc: Mvc) -> None:
    import mvc as package

    assert mvc("--version").out == f"mvc {package.__version__}\n"
