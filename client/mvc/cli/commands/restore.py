"""`mvc restore`."""

from __future__ import annotations

import os
from typing import NoReturn

import click

from mvc.api.errors import Failure
from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, component_option, verb
from mvc.cli.screens.moved import lines
from mvc.cli.words import is_version, version_and_paths


@verb("restore", exits=BUSY | DAMAGE, dashes=True)
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
    """Restore single files, directories or components as they are in version REV (by default HEAD).

    HEAD stays. The files' previous content is kept: mvc undo brings it back.

    \b
    mvc restore params.yaml              a file, as last saved
    mvc restore HEAD~1 model.pt          one file, as it was one version ago
    mvc restore --source HEAD data       a directory, as last saved
    mvc restore v12 --component weights  all weights of version 12
    """
    context = click.get_current_context()
    rev, paths = (source, words) if source is not None else version_and_paths(face.repo, words)
    if rev is None and not (paths or components):
        raise click.UsageError("which paths? mvc restore PATH...   (. for everything)", context)
    rev = rev or "HEAD"
    if not paths and not components and source is None and not is_version(face.repo, rev):
        _refuse(face, rev)
    if not paths and not components:
        raise click.UsageError(
            f"which paths? mvc restore {rev} PATH...   (. for everything)", context
        )
    result = face.repo.restore(rev, *map(os.path.abspath, paths), components=components or None)
    if face.json:
        face.answer(documents.checkout(result))
    else:
        face.say(*lines(result, moved=False))


def _refuse(face: Face, word: str) -> NoReturn:
    """A single word that is no version and no file: it may be one that was deleted and saved so."""
    try:
        face.repo.restore("HEAD", os.path.abspath(word))
    except Failure as failure:
        if failure.cause is not None:
            raise
    raise click.UsageError(
        f"{word} is no version, and no file here or in HEAD", click.get_current_context()
    )
