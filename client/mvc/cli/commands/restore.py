"""`mvc restore`."""

from __future__ import annotations

import os

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, component_option, verb
from mvc.cli.screens.moved import lines


@verb("restore", exits=BUSY | DAMAGE)
@click.argument("words", nargs=-1, metavar="[REV] PATH...")
@click.option(
    "-s",
    "--source",
    metavar="REV",
    help="The version to restore from; then all arguments are paths.",
)
@component_option("Restore only this component. May be given several times.", multiple=True)
@click.pass_obj
def command(
    face: Face, words: tuple[str, ...], source: str | None, components: tuple[str, ...]
) -> None:
    """Restore single files, directories or components as they are in version REV.

    HEAD stays. The files' previous content is kept: mvc undo brings it back.

    \b
    mvc restore HEAD~1 model.pt          one file, as it was one version ago
    mvc restore --source HEAD data       a directory, as last saved
    mvc restore v12 --component weights  all weights of version 12
    """
    rev, paths = (source, words) if source is not None else (words[:1] and words[0], words[1:])
    if not rev:
        raise click.UsageError(
            "which version? mvc restore REV PATH...", click.get_current_context()
        )
    if not paths and not components:
        raise click.UsageError(
            f"which paths? mvc restore {rev} PATH...   (. for everything)",
            click.get_current_context(),
        )
    result = face.repo.restore(rev, *map(os.path.abspath, paths), components=components or None)
    if face.json:
        face.answer(documents.checkout(result))
    else:
        face.say(*lines(result, moved=False))
