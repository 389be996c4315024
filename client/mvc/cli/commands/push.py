"""`mvc push`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import transfer as screen


@verb("push", exits=REMOTE_EXITS | {1: "failure, or the remote has what is not here"})
@click.argument("remote", required=False)
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--tags", is_flag=True, help="All tags too.")
@click.option("--all", "all_", is_flag=True, help="All branches.")
@click.option(
    "--force-with-lease",
    is_flag=True,
    help="Let versions there go, if they are those of the last fetch.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be moved.")
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
    """Send REFS (by default the current branch) to REMOTE (by default origin).

    REF is a branch or tag, REV:BRANCH for any version, or :BRANCH to delete it there. Success means that the
    remote has verified every byte and has all that the moved refs reach; the receipt says so. All refs move or
    none does. Interrupted, the next push goes on where this one was. Signatures, and records of stages, go
    with the versions they are about. What the remote knows to be damaged of what REFS reach is sent once more.
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
