"""`mvc push`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import transfer as screen


@verb("push", exits=REMOTE_EXITS | {1: "failure, or the remote has what is not here"})
@click.argument("remote", required=False)
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--tags", is_flag=True, help="Push all tags too.")
@click.option("--all", "all_", is_flag=True, help="Push all branches.")
@click.option(
    "--force-with-lease",
    is_flag=True,
    help="Overwrite the remote branch if it has not moved since your last fetch.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be moved.")
@click.pass_obj
def command(
    face: Face,
    remote: str | None,
    refs: tuple[str, ...],
    tags: bool,
    all_: bool,
    force_with_lease: bool,
    dry_run: bool,
) -> None:
    """Send REFs (by default the current branch) to REMOTE (by default origin).

    REF is a branch or tag, REV:BRANCH for any version, or :NAME to delete a branch or tag there. Success means
    that the remote has verified every byte and has everything that the moved refs reach; the receipt says so.
    Either all refs move or none. If a push is interrupted, the next one resumes it. Signatures and stage
    records travel with their versions. Objects that the remote knows to be damaged are sent once more.
    """
    done = face.repo.push(
        *refs,
        remote=remote,
        tags=tags,
        all=all_,
        force_with_lease=force_with_lease,
        dry_run=dry_run,
    )
    if face.json:
        face.answer(screen.push_document(done))
    else:
        face.say(*screen.receipt(done))
