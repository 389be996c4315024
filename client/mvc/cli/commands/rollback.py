"""`mvc rollback`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.screens.commit import lines, warnings


@verb("rollback", exits=BUSY | DAMAGE | {1: "failure, or unsaved work is in the way"})
@click.argument("rev")
@click.option("-m", "--message", metavar="TEXT", help="Say why. [default: roll back to vN]")
@click.option("--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]")
@click.option(
    "-f", "--force", is_flag=True, help="Overwrite unsaved work; mvc undo brings it back."
)
@click.pass_obj
def command(face: Face, rev: str, message: str | None, author: str | None, force: bool) -> None:
    """Save the content of version REV as the newest version.

    History only grows: the versions in between stay. The files in the workspace follow.
    """
    result = face.repo.rollback(rev, message=message, author=author, force=force)
    for warning in warnings(result):
        face.warn(warning)
    if face.json:
        face.answer(documents.commit(result))
    else:
        face.say(*lines(result, verbose=face.verbose > 0))
