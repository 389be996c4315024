"""`mvc note`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.api.errors import Failure
from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb
from mvc.cli.screens import notes


@verb("note", exits=BUSY)
@click.argument("words", nargs=-1, metavar="[REV] [KEY=TEXT]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Remove the text under KEY.")
@click.pass_obj
def command(face: Face, words: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Show or write annotations: text under keys on a version (by default HEAD).

    For what is known only after a version was made: an evaluation, a ticket, the run's id in another tool. The
    version stays what it is, and so does its id. Annotations travel with push, fetch, pull and clone; where two
    people wrote the same key, the later text holds. mvc undo takes one back.

    \b
      mvc note                           show those of HEAD
      mvc note v12 accuracy=0.93         write one
      mvc note v12 --remove accuracy     remove it
      mvc log --where 'note.accuracy>0.9'
    """
    rev, texts = _asked(words)
    texts |= _removed(face, rev, remove, texts) if remove else {}
    if texts:
        found = face.repo.annotate(rev, texts)
        face.say(f"Annotated v{found.number} {text.short(found.version)}: {', '.join(texts)}")
    if face.json or not texts:
        found = face.repo.annotations(rev)
        face.answer(notes.document(found), notes.whole(found, datetime.now().astimezone()))
        if not found.entries:
            face.hint(f"v{found.number} has no annotations.  mvc note v{found.number} KEY=TEXT")


def _asked(words: tuple[str, ...]) -> tuple[str, dict[str, str | None]]:
    """The version that is meant, and texts by key."""
    rev, pairs = ("HEAD", words) if not words or "=" in words[0] else (words[0], words[1:])
    texts: dict[str, str | None] = {}
    for word in pairs:
        key, sign, said = word.partition("=")
        if not sign or key in texts:
            why = f"{key} is there twice" if sign else f"{word!r} is no KEY=TEXT"
            raise click.UsageError(why, click.get_current_context())
        texts[key] = said
    return rev, texts


def _removed(
    face: Face, rev: str, remove: tuple[str, ...], texts: dict[str, str | None]
) -> dict[str, str | None]:
    found = face.repo.annotations(rev)
    for key in remove:
        if key in texts:
            raise click.UsageError(
                f"{key} is written and removed at once", click.get_current_context()
            )
        if key not in found:
            raise Failure(
                f"v{found.number} has no annotation {key!r}", kind="unknown-key",
                help=f"mvc note v{found.number}",
            )  # fmt: skip
    return dict.fromkeys(remove)
