"""`mvc untrack`."""

from __future__ import annotations

import os

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb


@verb("untrack", exits=BUSY)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_obj
def command(face: Face, paths: tuple[str, ...]) -> None:
    """Stop tracking paths.

    The files stay on disk, and in the versions that have them; the next version does not have them any more. To
    leave out a part of a tracked directory, name it in .mvcignore.
    """
    gone = face.repo.untrack(*map(os.path.abspath, paths))
    if face.json:
        face.answer({"untracked": list(gone), "tracked": list(face.repo.status().tracked)})
        return
    for path in gone:
        face.say(f"No longer tracking {text.safe(path)}")
