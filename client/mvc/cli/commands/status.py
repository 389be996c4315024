"""`mvc status`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens.status import brief, lines


@verb("status", exits={1: "failure, or changes with --exit-code"})
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are changes.")
@click.option("-s", "--short", is_flag=True, help="Show one line per file: M, A, D, R or ?.")
@click.pass_obj
def command(face: Face, exit_code: bool, short: bool) -> int:
    """Show what changed since the last version, and what is not tracked.

    A clean workspace is recognised without reading any file: sizes, times and inodes are compared with those
    that the last commit or checkout recorded. A file with those of one that is gone was renamed.
    """
    status = face.repo.status()
    shown = brief(status) if short else lines(status, verbose=face.verbose > 0, quiet=face.quiet)
    face.answer(documents.status(status), shown)
    return 1 if exit_code and not status.clean else 0
