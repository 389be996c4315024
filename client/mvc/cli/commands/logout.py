"""`mvc logout`."""

from __future__ import annotations

import click

from mvc.cli.commands.login import address
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("logout")
@click.argument("url", metavar="URL|REMOTE")
@click.pass_obj
def command(face: Face, url: str) -> None:
    """Delete the stored token for the server at URL, or of a remote.

    The token itself stays valid: if it was lost, ask an administrator to revoke it.
    """
    from mvc.api.credentials import logout  # late: start-up

    removed = logout(address(face, url))
    if face.json:
        face.answer({"removed": removed})
    face.say("Logged out." if removed else "There was no token for that server.")
