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
    """Start tracking files or directories.

    In a tracked directory everything is versioned, now and later, except for what .mvcignore leaves out. There
    is no staging area: mvc commit saves everything that is tracked.
    """
    added = face.repo.add(*map(os.path.abspath, paths))
    if face.json:
        face.answer({"added": list(added), "tracked": list(face.repo.status().tracked)})
        return
    for path in paths:
        if not _readable(path):
            face.warn(f"{path} cannot be read: it is skipped until it can")
    for path, match in face.repo.check_ignore(*(p for p in added if p != ".")):
        if match is not None:
            face.warn(
                f"{path} is left out by {match}, and tracked since you name it: mvc untrack {path}"
            )
    for path in added:
        face.say(f"Tracking {text.safe(path) if path != '.' else 'everything here'}")
    if not added:
        face.say("Under care already")
    elif face.repo.head.number == 0:
        face.hint("Next:  mvc commit -m 'First version'")


def _readable(path: str) -> bool:
    """Of a link this asks nothing: its text can always be read."""
    mode = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    effective = os.access in os.supports_effective_ids
    return os.path.islink(path) or os.access(path, mode, effective_ids=effective)
