"""`mvc merge`."""

from __future__ import annotations

import sys

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.commit import lines as committed
from mvc.cli.screens.commit import warnings
from mvc.cli.screens.moved import lines as moved


@verb("merge", exits=BUSY | DAMAGE | {1: "failure, or conflicts: then nothing was changed"})
@click.argument("rev")
@click.option(
    "--ours",
    multiple=True,
    metavar="PATH|COMPONENT",
    help="Keep our side where both changed it. May be given several times.",
)
@click.option(
    "--theirs",
    multiple=True,
    metavar="PATH|COMPONENT",
    help="Take their side where both changed it.",
)
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
    from mvc.api.remotes import MergeConflict  # late: start-up

    try:
        done = face.repo.merge(rev, ours=ours, theirs=theirs, message=message, author=author)
    except MergeConflict as conflict:
        if face.json:
            conflict.more = {"conflicts": [screen.clash_document(c) for c in conflict.clashes]}
        else:
            for line in screen.clashes(conflict.clashes):
                click.echo(line, err=True, color=face.colored(sys.stderr))
        raise
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
