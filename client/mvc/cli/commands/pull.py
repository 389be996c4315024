"""`mvc pull`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.picked import conflicts_told, side_options
from mvc.cli.screens import transfer as screen
from mvc.cli.screens.commit import lines as committed
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
@click.option(
    "--merge", is_flag=True, help="Merge if both sides have versions of their own: see mvc merge."
)
@side_options
@click.pass_obj
def command(
    face: Face,
    remote: str | None,
    branch: str | None,
    sources: tuple[str, ...],
    merge: bool,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
) -> None:
    """Fetch from REMOTE (by default origin), then bring the current branch and the files to its BRANCH.

    The branch only moves forward. If both sides have versions of their own, everything is fetched, no file is
    changed, and mvc merge is the next step, which --merge takes at once. Unsaved work in the way is never
    overwritten.
    """
    if (ours or theirs) and not merge:
        raise click.UsageError("--ours and --theirs go with --merge", click.get_current_context())
    named = ((remote,) if remote is not None else ()) + sources
    with conflicts_told(face):
        done = face.repo.pull(*named, branch=branch, merge=merge, ours=ours, theirs=theirs)
    if face.json:
        face.answer(screen.pull_document(done))
        return
    face.say(*screen.fetched(done.fetched))
    if done.merged is not None and done.merged.commit is not None:
        face.say(*screen.resolved(done.merged.resolved))
        face.say(*committed(done.merged.commit, verbose=face.verbose > 0))
    elif done.checkout is None:
        face.say(f"{done.branch} is up to date")
    else:
        face.say(*lines(done.checkout, moved=True))
