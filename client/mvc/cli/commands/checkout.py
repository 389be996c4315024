"""`mvc checkout`."""

from __future__ import annotations

import os

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, component_option, verb
from mvc.cli.screens.moved import lines
from mvc.cli.words import is_remote_branch, version_and_paths


@verb("checkout", exits=BUSY | DAMAGE | {1: "failure, or unsaved work is in the way"}, dashes=True)
@click.argument("words", nargs=-1, metavar="[REV] [PATH]...")
@click.option("-b", "branch", metavar="NAME", help="Make branch NAME at REV and switch to it.")
@component_option(
    "Bring only this component; HEAD stays. May be given several times.", multiple=True
)
@click.option(
    "-f", "--force", is_flag=True, help="Overwrite unsaved work; mvc undo brings it back."
)
@click.pass_obj
def command(
    face: Face, words: tuple[str, ...], branch: str | None, components: tuple[str, ...], force: bool
) -> None:
    """Bring the files and HEAD to version REV; with PATHs, only these files, and HEAD stays.

    Only files that differ are written: under temporary names, verified, then renamed. Unsaved work is never
    overwritten without --force. After checking out an old version, the next commit starts a branch of its own.
    If REV is a branch that only a remote has, it is made here first. In a partial clone, the content that was
    left out is fetched, and is not left out any more: all of it, with --component only that component, with -b
    none. REV - is where HEAD was before.

    \b
    mvc checkout v12              everything, as version 12 has it
    mvc checkout -b trial v12     the same, on a branch made for it
    mvc checkout params.yaml      one file as last saved: mvc restore
    """
    born = words and is_remote_branch(face.repo, words[0])
    rev, paths = (words[0], words[1:]) if born else version_and_paths(face.repo, words)
    if branch is not None and paths:
        raise click.UsageError(f"there is no version {paths[0]!r}", click.get_current_context())
    if rev is None and not paths and branch is None and not components:
        raise click.UsageError("which version? mvc checkout REV", click.get_current_context())
    moved = not (components or paths)
    rev = rev or "HEAD"
    if branch is not None and components:
        raise click.UsageError("-b and --component exclude each other", click.get_current_context())
    if branch is not None:
        result = face.repo.switch(branch, create=True, start=rev, force=force)
    elif paths:
        result = face.repo.restore(rev, *map(os.path.abspath, paths), components=components or None)
    else:
        result = face.repo.checkout(rev, force=force, components=components or None)
    if face.json:
        face.answer(documents.checkout(result))
    else:
        face.say(*lines(result, moved=moved))
