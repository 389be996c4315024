"""`mvc describe`."""

from __future__ import annotations

from datetime import datetime
from typing import TextIO

import click

from mvc.cli import text
from mvc.cli.commands.commit import read_text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb
from mvc.cli.screens import notes


@verb("describe", exits=BUSY)
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.option("-m", "--message", "messages", multiple=True, metavar="TEXT",
              help="Describe the version; several -m become paragraphs, an empty TEXT removes it.")  # fmt: skip
@click.option(
    "-F",
    "--file",
    type=click.File("r", encoding="utf-8"),
    help="Read the description from FILE; - is stdin.",
)
@click.pass_obj
def command(face: Face, rev: str, messages: tuple[str, ...], file: TextIO | None) -> None:
    """Show or write the description of a version (by default HEAD).

    A version's message is part of it, and never changes: from another message would come another id. A
    description stands beside it, can be written at any time by anybody who may push, and replaces the one
    before; mvc show, log and card show both. It is the annotation "description": see mvc note.

    (What git calls describe, a name for a commit by the nearest tag, is in the names that mvc log shows.)
    """
    if messages and file is not None:
        raise click.UsageError("-m and -F exclude each other", click.get_current_context())
    if messages or file is not None:
        said = (read_text(file) if file is not None else "\n\n".join(messages)).strip()
        found = face.repo.annotate(rev, {notes.DESCRIPTION: said or None})
        done = "Described" if said else "Removed the description of"
        face.say(f"{done} v{found.number} {text.short(found.version)}")
        if not face.json:
            return
    found = face.repo.annotations(rev)
    entry = next((e for e in found.entries if e.key == notes.DESCRIPTION), None)
    document = {
        "version": found.version,
        "number": found.number,
        "description": None if entry is None else entry.text,
        "time": None if entry is None else entry.time.isoformat(),
        "author": None if entry is None else entry.author,
        "message": face.repo.show(rev).message,
    }
    face.answer(document, () if entry is None else [text.safe(entry.text, lines=True)])
    if entry is None:
        face.hint(f"v{found.number} has no description.  mvc describe v{found.number} -m TEXT")
    else:
        when = text.when(entry.time.astimezone(), datetime.now().astimezone())
        face.hint(f"v{found.number}, described {when} by {text.safe(entry.author)}")
