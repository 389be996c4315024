"""`mvc stash`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, VerbGroup, instead
from mvc.cli.picked import CONFLICTS, conflicts_told, side_options
from mvc.cli.screens import stash as screen
from mvc.cli.screens.moved import lines

if TYPE_CHECKING:
    from mvc.api.picks import StashResult

_MESSAGE = click.option("-m", "--message", metavar="TEXT", help="Say what it is.")


@click.group("stash", cls=VerbGroup, invoke_without_command=True)
@_MESSAGE
@click.pass_context
def command(context: click.Context, message: str | None) -> None:
    """Put unsaved work aside, and take it up again, here or on another branch.

    Without a verb: mvc stash push. Each stash has a number, which stays its own.

    \b
    mvc stash -m 'half of the new loss'
    mvc switch main
    mvc stash pop
    """
    if context.invoked_subcommand is None:
        instead(context, push, message=message)


@command.command("push", exits=BUSY | DAMAGE)
@_MESSAGE
@click.pass_obj
def push(face: Face, message: str | None) -> None:
    """Put unsaved work aside: the files become those of HEAD.

    New files under care go too. What is not under care stays where it is.
    """
    done = face.repo.stash(message)
    _told(face, done, f"Put aside as stash {done.stash.number}: {text.safe(done.stash.message)}")


@command.command("list")
@click.pass_obj
def list_(face: Face) -> None:
    """List what was put aside, newest first."""
    found = face.repo.stashes()
    document = {"stashes": [screen.document(stash) for stash in found]}
    face.answer(document, screen.rows(found, datetime.now().astimezone()))
    if not found:
        face.hint("There are none.  mvc stash  puts unsaved work aside")


@command.command("show")
@click.argument("number", type=int, required=False)
@click.pass_obj
def show(face: Face, number: int | None) -> None:
    """Show what stash NUMBER (by default the newest) changed, in five parts."""
    from mvc.cli import diff_document  # late: start-up
    from mvc.cli.screens.diff import whole

    found = face.repo.stashed(number)
    diff = face.repo.diff(found.base, found.version)
    if face.json:
        face.answer(diff_document.diff(diff, columns=False))
    else:
        names = text.short(found.base), f"stash {found.number}"
        face.page(whole.lines(diff, *names, verbose=face.verbose > 0))


def _take_up(
    face: Face, number: int | None, ours: tuple[str, ...], theirs: tuple[str, ...], *, keep: bool
) -> None:
    with conflicts_told(face):
        done = face.repo.unstash(number, keep=keep, ours=ours, theirs=theirs)
    after = "; it is still there" if keep else ""
    _told(face, done, f"Took up stash {done.stash.number}: {text.safe(done.stash.message)}{after}")


@command.command("pop", exits=BUSY | DAMAGE | CONFLICTS)
@click.argument("number", type=int, required=False)
@side_options
@click.pass_obj
def pop(face: Face, number: int | None, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """Take up stash NUMBER (by default the newest), and let go of it.

    Unsaved work in the way is never overwritten. If a file has another content in HEAD than where the work was
    done, nothing is changed until --ours or --theirs says which side counts.
    """
    _take_up(face, number, ours, theirs, keep=False)


@command.command("apply", exits=BUSY | DAMAGE | CONFLICTS)
@click.argument("number", type=int, required=False)
@side_options
@click.pass_obj
def apply(face: Face, number: int | None, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """Take up stash NUMBER (by default the newest), and keep it: see pop."""
    _take_up(face, number, ours, theirs, keep=True)


@command.command("drop", exits=BUSY)
@click.argument("number", type=int, required=False)
@click.pass_obj
def drop(face: Face, number: int | None) -> None:
    """Let go of stash NUMBER (by default the newest); mvc undo takes that back."""
    gone = face.repo.drop_stash(number)
    face.say(f"Dropped stash {gone.number}: {text.safe(gone.message)}")
    if face.json:
        face.answer({"stash": screen.document(gone)})


def _told(face: Face, done: StashResult, said: str) -> None:
    assert done.checkout is not None
    if face.json:
        face.answer({"stash": screen.document(done.stash), **documents.checkout(done.checkout)})
    else:
        face.say(said, *lines(replace(done.checkout, saved=None), moved=False))
