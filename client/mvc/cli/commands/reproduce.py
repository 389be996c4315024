"""`mvc reproduce`."""

from __future__ import annotations

import shlex
import sys

import click

from mvc.api.errors import UsageError
from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb
from mvc.cli.screens.reproduce import headline, lines


@verb("reproduce", exits=DAMAGE | {1: "failure, or it came out differently"})
@click.argument("rev", default="HEAD")
@click.option("--into", metavar="DIR", help="Run in DIR, an empty directory, and keep it.")
@click.option("--tolerance", type=float, default=1e-6, metavar="X",
              help="Relative difference that metrics may have. [default: 1e-6]")  # fmt: skip
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop the command after this time.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a variable for the command.")
@click.option("--python", metavar="PATH",
              help="Run on another Python: an interpreter, or a virtual environment.")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Run it without asking.")
@click.pass_obj
def command(
    face: Face,
    rev: str,
    into: str | None,
    tolerance: float,
    timeout: float | None,
    env: tuple[str, ...],
    python: str | None,
    yes: bool,
) -> int:
    """Run a version's command again and compare the outcome.

    REV was made by mvc run. What the run started from is written into a fresh directory, the recorded command
    runs there, and its outputs are compared by digest (weights tensor by tensor), its metrics within the
    tolerance. The workspace is not touched.

    A program that no version has, such as .venv/bin/python, is taken from the workspace. Where it is not there,
    or to compare, --python names another one. Packages that are not as they were recorded are told.

    The recorded command runs with your rights, so it is shown first, and you are asked. Without a terminal to
    ask on, -y is needed.
    """
    repo = face.repo
    words = repo.reproduction_command(rev, python=python)
    shown = shlex.join(words)
    if not yes:
        _ask(text.safe(shown), rev, python)
    face.hint(f"$ {shown}")
    result = repo.reproduce(
        rev, into=into, tolerance=tolerance, timeout=timeout, env=_variables(env), python=python,
        tell=lambda found: face.warn(headline(found)),
    )  # fmt: skip
    if face.json:
        face.answer(documents.reproduction(result))
    elif not face.quiet:
        face.page(lines(result))
    return 0 if result.ok else 1


def _ask(shown: str, rev: str, python: str | None) -> None:
    """A clone brings its commands along, so none runs that nobody saw."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"reproduce would run: {shown}",
            kind="needs-yes",
            cause="there is no terminal to ask on, and whoever made the version chose the command",
            help=shlex.join(
                ["mvc", "reproduce", "-y", *(["--python", python] if python else []), rev]
            ),
        )
    if not click.confirm(f"Run {shown} ?", err=True):
        raise click.Abort


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for assignment in given:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise click.UsageError("--env takes NAME=VALUE", click.get_current_context())
        found[name] = value
    return found
