"""`mvc follow`."""

from __future__ import annotations

import json

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb


@verb("follow", exits=REMOTE_EXITS)
@click.argument("remote")
@click.argument("ref")
@click.option("--to", required=True, metavar="DIR", help="The directory to keep equal to REF.")
@click.option("--once", is_flag=True, help="Check once, then exit.")
@click.pass_obj
def command(face: Face, remote: str, ref: str, to: str, once: bool) -> None:
    """Keep DIR a verified copy of what REF (a branch, tag or stage) points to at REMOTE, while it runs.

    A new version is fetched, written beside the old one and verified; then DIR, a symbolic link, is switched to
    it atomically. The previous copy is kept in DIR.versions. While the remote does not answer, DIR stays as it
    is, and mvc tries again. With --json each switch is one line.
    """
    for done in face.repo.follow(remote, ref, to=to, once=once):
        if face.json:
            document = {
                "schema_version": 1,
                "directory": done.directory,
                "version": done.version,
                "before": done.before,
                "bytes": done.bytes_total,
                "problem": done.problem or None,
            }
            click.echo(json.dumps(document))
        elif done.problem:
            face.warn(done.problem)
        else:
            face.say(
                f"{text.safe(done.directory)} holds {text.short(done.version or '')}  "
                f"({text.size(done.bytes_total)} verified)"
            )
