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
    """Take tracked paths out of care.

    The files stay where they are, and in the versions that have them; the next version has them no more.
    To leave out part of a tracked directory, name it in .mvcignore.
    """
    gone = face.repo.untrack(*map(os.path.abspath, paths))
    if face.json:
        face.answer({"untracked": list(gone), "tracked": list(face.repo.status().tracked)})
        return
    for path in gone:
        face.say(f"No longer tracking {text.safe(path)}")
