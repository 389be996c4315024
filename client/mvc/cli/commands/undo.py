"""`mvc undo`."""

from __future__ import annotations

import click

from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb


@verb("undo", exits=BUSY | DAMAGE)
@click.argument("number", required=False, type=click.IntRange(min=1), metavar="[N]")
@click.pass_obj
def command(face: Face, number: int | None) -> None:
    """Undo the last operation, or operation N of mvc op log.

    Branches, tags and HEAD go back to where they were. Files that a checkout, restore or rollback rewrote
    become what they were, unsaved work included. Run again, it undoes the operation before. Undoing an undo
    (mvc undo N) does the operation again.
    """
    done = face.repo.undo(number)
    if face.json:
        face.answer({"operation": documents.operation(done)})
        return
    face.say(f"Took back {text.safe(done.detail.removeprefix('undo '))}")
    face.hint(f"mvc undo {done.number}  takes that back")
