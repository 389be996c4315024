"""`mvc du`."""

from __future__ import annotations

import os
from datetime import datetime

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, limit_option, verb
from mvc.cli.screens import diskuse as screen

_BY = ("version", "branch", "component", "path")


@verb("du", exits=DAMAGE)
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--by", type=click.Choice(_BY), help="Show one table only, with all its rows.")
@limit_option("rows")
@click.pass_obj
def command(face: Face, path: str | None, by: str | None, limit: int | None) -> None:
    """Show what takes how many bytes, and what removing it would free.

    With PATH, or --by path, the rows are what lies directly in that directory, in all versions together.

    \b
    files   bytes of the files, those of every version anew
    stored  bytes on the disk; what several need counts for the first of
            them, so that this column adds up
    unique  bytes that nothing else needs: what removing this would free
    \b
    What is removed stays for as long as the operation log remembers it;
    mvc gc --expire-operations 0s lets go of it at once.
    """
    if path is not None and by not in (None, "path"):
        raise click.UsageError(
            f"PATH and --by {by} exclude each other", click.get_current_context()
        )
    by = "path" if path is not None else by
    below = None if by != "path" else os.path.abspath(path or face.repo.root)
    use = face.repo.disk_use(below)
    if face.json:
        face.answer(screen.document(use))
        return
    now = datetime.now().astimezone()
    match by:
        case None:
            face.page(screen.overview(use, now))
        case "version":
            face.page(screen.versions(use, now, limit))
        case "branch":
            face.page(screen.keepers(use, limit))
        case "component":
            face.page(screen.components(use))
        case _:
            face.page(screen.paths(use, limit))
