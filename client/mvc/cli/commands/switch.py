"""`mvc switch`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.screens.moved import lines


@verb("switch", exits=BUSY | DAMAGE | {1: "failure, or unsaved work is in the way"})
@click.argument("name")
@click.argument("start", default="HEAD", metavar="[START]")
@click.option(
    "-c", "--create", is_flag=True, help="Make the branch first, at START (by default HEAD)."
)
@click.option(
    "-f", "--force", is_flag=True, help="Overwrite unsaved work; mvc undo brings it back."
)
@click.pass_obj
def command(face: Face, name: str, start: str, create: bool, force: bool) -> None:
    """Switch to branch NAME: the files become those of its newest version.

    If only a remote has the branch, it is made here first. In a partial clone, content that was left out stays
    away. NAME - is the branch, or the version, where HEAD was before.
    """
    if start != "HEAD" and not create:
        raise click.UsageError("START goes with --create", click.get_current_context())
    result = face.repo.switch(name, create=create, start=start, force=force)
    if face.json:
        face.answer(documents.checkout(result))
    else:
        face.say(*lines(result, moved=True))
