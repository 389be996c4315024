"""`mvc unwatch`."""

from __future__ import annotations

import os

import click

from mvc.api.errors import DaemonError
from mvc.cli import text
from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("unwatch", exits={10: "", 15: EXIT_HELP[15]})
@click.argument("directory", default=".", metavar="[DIR]")
@click.pass_obj
def command(face: Face, directory: str) -> None:
    """Stop saving the workspace automatically.

    A save in progress is finished first. Nothing is removed, and all other verbs go on working.
    """
    from mvc import daemon_client  # late: start-up

    try:
        answer = daemon_client.ask("unwatch", root=os.path.realpath(directory), timeout=3600.0)
    except DaemonError as error:
        if error.kind == "not-running":  # it keeps the register, and would go on when it is started
            error.help = "mvcd start && mvc unwatch"
        raise
    if face.json:
        face.answer({"root": answer["root"]})
        return
    face.say(f"No longer watching {text.safe(answer['root'])}")
