"""`mvc pull`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.moved import lines


@verb("pull", exits=REMOTE_EXITS | {1: "failure, diverged branches, or unsaved work in the way"})
@click.argument("remote", required=False)
@click.argument("branch", required=False)
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="REMOTE",
    help="Fetch content from REMOTE too. May be given several times.",
)
@click.pass_obj
def command(face: Face, remote: str | None, branch: str | None, sources: tuple[str, ...]) -> None:
    """Fetch from REMOTE (by default origin), then bring the current branch and the files to its BRANCH.

    The branch only moves forward. If both sides have versions of their own, everything is fetched, no file is
    changed, and mvc merge is the next step. Unsaved work in the way is never overwritten.
    """
    named = ((remote,) if remote is not None else ()) + sources
    done = face.repo.pull(*named, branch=branch)
    if face.json:
        face.answer(screen.pull_document(done))
        return
    face.say(*screen.fetched(done.fetched))
    if done.checkout is None:
        face.say(f"{done.branch} is up to date")
    else:
        face.say(*lines(done.checkout, moved=True))
