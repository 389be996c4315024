"""`mvc branch`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, OPERATIONS_KEPT, verb


@verb("branch", exits=BUSY)
@click.argument("words", nargs=-1, metavar="[NAME [REV]]")
@click.option("-d", "--delete", is_flag=True, help="Delete branches NAME...")
@click.option(
    "-m", "--move", is_flag=True, help="Rename: -m OLD NEW, or -m NEW for the current one."
)
@click.option(
    "-f", "--force", is_flag=True, help="Delete it even if some versions are on no other branch."
)
@click.option("-D", "force_delete", is_flag=True, help="Same as -d --force.")
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    delete: bool,
    move: bool,
    force: bool,
    force_delete: bool,
) -> None:
    """List branches, or make branch NAME at REV (by default HEAD) without switching to it.

    mvc tag --help says how names are written; the long form of a branch is heads/NAME.
    """
    delete = delete or force_delete
    _require_one_thing(words, delete=delete, move=move)
    if delete:
        for name in words:
            _delete(face, name, force=force or force_delete)
    elif move:
        old, new = words if len(words) > 1 else (_current(face), words[0])
        renamed = face.repo.rename_branch(old, new)
        face.say(f"Branch {old} is now {renamed.rev}")
    elif words:
        made = face.repo.branch(*words)
        face.say(f"Branch {made.rev} at v{made.number}")
        face.hint(f"mvc switch {made.rev}  moves to it")
    if face.json or not words:
        _list(face)


def _require_one_thing(words: tuple[str, ...], *, delete: bool, move: bool) -> None:
    context = click.get_current_context()
    if (delete and move) or (len(words) > 2 and not delete):
        raise click.UsageError("one thing at a time", context)
    if (delete or move) and not words:
        raise click.UsageError(
            f"which branch? mvc branch {'-d NAME' if delete else '-m OLD NEW'}", context
        )


def _delete(face: Face, name: str, *, force: bool) -> None:
    gone = face.repo.delete_branch(name, force=force)
    face.say(f"Deleted branch {gone.rev} (was v{gone.number}, {text.short(gone.version)})")
    if force:
        until = (datetime.now() + OPERATIONS_KEPT).strftime("%d %b %Y")
        face.hint(f"mvc undo  brings it back; what only it had stays until {until}")
        face.hint("mvc gc --expire-operations 0s  frees that now")


def _current(face: Face) -> str:
    names = [branch.rev for branch in face.repo.branches() if branch.current]
    if not names:
        raise click.UsageError(
            "HEAD is on no branch: mvc branch -m OLD NEW", click.get_current_context()
        )
    return names[0]


def _list(face: Face) -> None:
    branches = face.repo.branches()
    rows = [
        (
            "*" if b.current else " ",
            click.style(b.rev, fg="green") if b.current else b.rev,
            f"v{b.number}",
            click.style(text.short(b.version), fg="yellow") if b.number else "no versions yet",
        )
        for b in branches
    ]
    document = {
        "branches": [
            {
                "name": b.name,
                "rev": b.rev,
                "version": b.version,
                "number": b.number,
                "current": b.current,
            }
            for b in branches
        ]
    }
    face.answer(document, text.table(rows, gap=" "))
