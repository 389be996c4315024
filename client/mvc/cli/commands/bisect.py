"""`mvc bisect`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, VerbGroup, instead
from mvc.cli.screens import bisect as screen

if TYPE_CHECKING:
    from mvc.api.search import Bisection

_EXITS = BUSY | DAMAGE | {1: "failure, or unsaved work is in the way"}
_SKIP, _ABORT = 125, 128
"""git's: a command that exits with 125 cannot tell, one with 128 or more wants to stop it all."""


@click.group("bisect", cls=VerbGroup, invoke_without_command=True)
@click.option(
    "--metric",
    "where",
    metavar="EXPR",
    help="Find where EXPR became true, without checking anything out.",
)
@click.option("--good", metavar="REV", help="With --metric: start after REV instead of at v1.")
@click.option(
    "--bad", default="HEAD", metavar="REV", help="With --metric: end at REV. [default: HEAD]"
)
@click.pass_context
def command(context: click.Context, where: str | None, good: str | None, bad: str) -> int:
    """Find the version where something went wrong, in few steps.

    \b
    mvc bisect --metric 'val_acc<0.9'  from the records alone, in one step
    \b
    mvc bisect start HEAD v3           HEAD is bad, v3 was good: a version
                                       half-way is checked out
    mvc bisect good  (or bad, skip)    your answer; the next one comes
    mvc bisect run pytest -q           or let a command answer: 0 is good,
                                       125 skip, others up to 127 bad
    mvc bisect reset                   back to where you were

    Unsaved work is never overwritten: mvc bisect stops and says so.
    """
    if where is not None:
        if context.invoked_subcommand is not None:
            raise click.UsageError("--metric needs no verb", context)
        return int(instead(context, _metric, where=where, good=good, bad=bad) or 0)
    if context.invoked_subcommand is None:
        instead(context, status)
    return 0


@command.command("metric", hidden=True)
@click.argument("where", metavar="EXPR")
@click.option("--good", metavar="REV", help="Start after REV instead of at v1.")
@click.option("--bad", default="HEAD", metavar="REV", help="End at REV.")
@click.pass_obj
def _metric(face: Face, where: str, good: str | None, bad: str) -> int:
    """Find where EXPR became true; the same as mvc bisect --metric."""
    found = face.repo.bisect(where, good=good, bad=bad)
    face.answer(screen.turning_document(found, where), screen.turning(found, where))
    return 0 if found.first is not None else 1


@command.command("start", exits=_EXITS)
@click.argument("bad", required=False)
@click.argument("good", nargs=-1)
@click.pass_obj
def start(face: Face, bad: str | None, good: tuple[str, ...]) -> None:
    """Start a search: BAD (often HEAD) shows the fault, GOOD versions do not.

    A version that is not named here can be named later, with mvc bisect bad and mvc bisect good.
    """
    _tell(face, face.repo.bisect_start(bad, *good))


def _answer(word: str, help: str) -> None:
    @command.command(word, exits=_EXITS, help=help)
    @click.argument("revs", nargs=-1, metavar="[REV]...")
    @click.pass_obj
    def answer(face: Face, revs: tuple[str, ...]) -> None:
        _tell(face, getattr(face.repo, f"bisect_{word}")(*revs))


_answer("good", "Say that REV (by default the one checked out) is good.")
_answer("bad", "Say that REV (by default the one checked out) is bad.")
_answer("skip", "Say that REV (by default the one checked out) cannot be tested.")


@command.command(
    "run",
    exits=_EXITS,
    raw="words",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD...")
@click.pass_obj
def run(face: Face, words: tuple[str, ...]) -> int:
    """Let CMD answer until the first bad version is found.

    CMD runs in the workspace. It exits with 0 for good, 125 for "cannot be tested", any other number up to 127
    for bad. A higher number, or a signal, stops the search; mvc bisect run goes on from there.
    """
    repo = face.repo
    found = repo.bisect_status()
    while found.testing is not None:
        if repo.head.version != found.testing.id:  # the workspace was moved meanwhile
            repo.checkout(found.testing.id)
        code = subprocess.run(words, cwd=repo.root, check=False).returncode
        if code < 0 or code >= _ABORT:
            raise click.ClickException(
                f"{words[0]} ended with {code} at v{found.testing.number}: the run stops here"
            )
        word = "good" if code == 0 else "skip" if code == _SKIP else "bad"
        face.say(f"v{found.testing.number} {word} (exit {code})")
        found = getattr(repo, f"bisect_{word}")(found.testing.id)
    _tell(face, found)
    return 0 if found.first_bad is not None else 1


@command.command("status")
@click.pass_obj
def status(face: Face) -> None:
    """Show where the search stands."""
    _tell(face, face.repo.bisect_status())


@command.command("log")
@click.pass_obj
def log(face: Face) -> None:
    """Show the answers given so far."""
    found = face.repo.bisect_status()
    face.answer(screen.document(found), (f"mvc bisect {line}" for line in found.log))


@command.command("reset", exits=_EXITS)
@click.argument("rev", required=False)
@click.pass_obj
def reset(face: Face, rev: str | None) -> None:
    """End the search and go back to where it began, or to REV."""
    went = face.repo.bisect_reset(rev)
    face.answer({"start": went})
    face.say(f"Back at {screen.place(went)}")


def _tell(face: Face, found: Bisection) -> None:
    face.answer(screen.document(found), screen.lines(found))
