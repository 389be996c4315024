"""`mvc op`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import VerbGroup, limit_option


@click.group("op", cls=VerbGroup)
def command() -> None:
    """Show the log of operations.

    Every change of branches, tags, HEAD or files is an operation.
    """


@command.command("log")
@limit_option("operations")
@click.pass_obj
def log(face: Face, limit: int | None) -> None:
    """Show operations, newest first. mvc undo N undoes one."""
    operations = face.repo.operations(limit=limit)
    if face.json:
        face.answer({"operations": [documents.operation(o) for o in operations]})
        return
    now = datetime.now().astimezone()
    rows = [
        (
            click.style(str(o.number), fg="yellow"),
            text.when(o.time, now),
            text.safe(o.author.split(" <")[0]),
            text.safe(o.detail),
        )
        for o in operations
    ]
    face.page(text.table(rows, right=(0,)))
