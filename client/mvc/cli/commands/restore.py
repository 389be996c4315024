"""`mvc restore`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from mvc.api.errors import Failure
from mvc.cli import documents
from mvc.cli.asking import changed_items, choose, require_terminal, shower
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
@click.option(
    "-p",
    "--patch",
    "asking",
    is_flag=True,
    help="Ask about each file: y, n, a, d, q, or ? for help.",
)
@component_option("Restore only this component. May be given several times.", multiple=True)
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    source: str | None,
    asking: bool,
    components: tuple[str, ...],
) -> None:
    """Restore single files, directories or components as they are in version REV (by default HEAD).

    HEAD stays. The files' previous content is kept: mvc undo brings it back.

    \b
    mvc restore params.yaml              a file, as last saved
    mvc restore HEAD~1 model.pt          one file, as it was one version ago
    mvc restore --source HEAD data       a directory, as last saved
    mvc restore v12 --component weights  all weights of version 12
    mvc restore -p                       asks about each changed file

    With -p, only files that REV has are asked about: what is new here stays.
    """
    if asking:
        require_terminal("-p", "mvc restore PATH...  (which restores without asking)")
    context = click.get_current_context()
    rev, paths = (source, words) if source is not None else version_and_paths(face.repo, words)
    if rev is None and not (paths or components or asking):
        raise click.UsageError("which paths? mvc restore PATH...   (. for everything)", context)
    rev = rev or "HEAD"
    if not paths and not components and source is None and not is_version(face.repo, rev):
        _refuse(face, rev)
    if not paths and not components and not asking:
        raise click.UsageError(
            f"which paths? mvc restore {rev} PATH...   (. for everything)", context
        )
    paths = tuple(map(os.path.abspath, paths))
    if asking:
        paths, components = _chosen(face, rev, paths, components), ()
        if not paths:
            face.say("Nothing was chosen, nothing changed")
            return
    result = face.repo.restore(rev, *paths, components=components or None)
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


def _chosen(
    face: Face, rev: str, paths: Sequence[str], components: Sequence[str]
) -> tuple[str, ...]:
    """Asks which of the files that differ from REV are to be as it has them."""
    repo = face.repo
    diff = repo.diff(rev, components=components or None, paths=paths)
    changes: list[tuple[str, str, tuple[str, ...]]] = []
    for component, files in diff.components.items():
        changes += [("modified", component.value, (path,)) for path in files.modified]
        changes += [("modified", component.value, (path,)) for path, _ in files.moved]
        changes += [("deleted", component.value, (path,)) for path in files.deleted]
        changes += [("deleted", component.value, (old,)) for old, _ in files.renamed]
    show = shower(repo, rev, color=face.colored(sys.stderr))
    chosen = choose(changed_items(changes), "Restore", show)
    return tuple(os.path.join(repo.root, path) for path in chosen)
