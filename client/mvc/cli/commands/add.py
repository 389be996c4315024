"""`mvc add`."""

from __future__ import annotations

import os

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb


@verb("add", exits=BUSY)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_obj
def command(face: Face, paths: tuple[str, ...]) -> None:
    """Put files or directories under care.

    From a directory, everything in it is versioned, now and later, less what .mvcignore leaves out. There is
    no staging: mvc commit saves all that is under care.
    """
    added = face.repo.add(*map(os.path.abspath, paths))
    if face.json:
        face.answer({"added": list(added), "tracked": list(face.repo.status().tracked)})
        return
    for path in added:
        face.say(f"Tracking {text.safe(path) if path != '.' else 'everything here'}")
    if not added:
        face.say("Under care already")
    elif face.repo.head.number == 0:
        face.hint("Next:  mvc commit -m 'First version'")
