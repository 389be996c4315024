"""`mvc branch`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb


@verb("branch", exits=BUSY)
@click.argument("words", nargs=-1, metavar="[NAME [REV]]")
@click.option("-d", "--delete", metavar="NAME", help="Delete branch NAME.")
@click.option("-m", "--move", nargs=2, metavar="OLD NEW", help="Rename branch OLD to NEW.")
@click.option(
    "-f", "--force", is_flag=True, help="Delete it even if some versions are on no other branch."
)
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    delete: str | None,
    move: tuple[str, str] | None,
    force: bool,
) -> None:
    """List branches, or make branch NAME at REV (by default HEAD) without switching to it."""
    if sum(map(bool, (words, delete, move))) > 1 or len(words) > 2:
        raise click.UsageError("one thing at a time", click.get_current_context())
    if delete:
        gone = face.repo.delete_branch(delete, force=force)
        face.say(f"Deleted branch {gone.name} (was v{gone.number}, {text.short(gone.version)})")
    elif move:
        face.repo.rename_branch(*move)
        face.say(f"Branch {move[0]} is now {move[1]}")
    elif words:
        made = face.repo.branch(*words)
        face.say(f"Branch {made.name} at v{made.number}")
        face.hint(f"mvc switch {made.name}  moves to it")
    if face.json or not (delete or move or words):
        _list(face)


def _list(face: Face) -> None:
    branches = face.repo.branches()
    rows = [
        (
            "*" if b.current else " ",
            click.style(b.name, fg="green") if b.current else b.name,
            f"v{b.number}",
            click.style(text.short(b.version), fg="yellow") if b.number else "no versions yet",
        )
        for b in branches
    ]
    document = {
        "branches": [
            {"name": b.name, "version": b.version, "number": b.number, "current": b.current}
            for b in branches
        ]
    }
    face.answer(document, text.table(rows, gap=" "))
