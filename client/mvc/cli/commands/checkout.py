"""`mvc checkout`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, component_option, verb
from mvc.cli.screens.moved import lines


@verb("checkout", exits=BUSY | DAMAGE | {1: "failure, or unsaved work is in the way"})
@click.argument("rev")
@click.option("-b", "branch", metavar="NAME", help="Make branch NAME at REV and switch to it.")
@component_option(
    "Bring only this component; HEAD stays. May be given several times.", multiple=True
)
@click.option(
    "-f", "--force", is_flag=True, help="Overwrite unsaved work; mvc undo brings it back."
)
@click.pass_obj
def command(
    face: Face, rev: str, branch: str | None, components: tuple[str, ...], force: bool
) -> None:
    """Bring the files and HEAD to version REV.

    Only files that differ are written: under temporary names, verified, then renamed. Unsaved work is never
    overwritten without --force. After checking out an old version, the next commit starts a branch of its own.
    If REV is a branch that only a remote has, it is made here first. In a partial clone, the content that was
    left out is fetched, and is not left out any more: all of it, with --component only that component, with -b
    none.
    """
    if branch is not None and components:
        raise click.UsageError("-b and --component exclude each other", click.get_current_context())
    if branch is not None:
        result = face.repo.switch(branch, create=True, start=rev, force=force)
    else:
        result = face.repo.checkout(rev, force=force, components=components or None)
    if face.json:
        face.answer(documents.checkout(result))
    else:
        face.say(*lines(result, moved=not components))
