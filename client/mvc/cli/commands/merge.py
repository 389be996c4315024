"""`mvc merge`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.picked import CONFLICTS, conflicts_told, side_options
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.commit import lines as committed
from mvc.cli.screens.commit import warnings
from mvc.cli.screens.moved import lines as moved


@verb("merge", exits=BUSY | DAMAGE | CONFLICTS)
@click.argument("rev")
@side_options
@click.option("-m", "--message", metavar="TEXT", help="Say why. [default: merge REV into BRANCH]")
@click.option("--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]")
@click.pass_obj
def command(
    face: Face,
    rev: str,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    message: str | None,
    author: str | None,
) -> None:
    """Merge what the line of REV changed since it parted from this one, as a version with two parents.

    Files are taken whole, component by component. If both sides changed a file differently, it is listed, and
    nothing is changed until --ours or --theirs says which side counts, for a path, a directory or a component.
    If nothing was saved here since the lines parted, the branch just moves forward. With --json the error lists
    the conflicts.
    """
    with conflicts_told(face):
        done = face.repo.merge(rev, ours=ours, theirs=theirs, message=message, author=author)
    for warning in warnings(done.commit) if done.commit is not None else ():
        face.warn(warning)
    if face.json:
        face.answer(screen.merge_document(done))
    elif done.commit is not None:
        face.say(*screen.resolved(done.resolved), *committed(done.commit, verbose=face.verbose > 0))
    elif done.checkout is not None:
        face.say(*moved(done.checkout, moved=True))
    else:
        face.say(f"Nothing to take over: {text.safe(rev)} is part of this line")
