"""`mvc fetch`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import transfer as screen


@verb("fetch", exits=REMOTE_EXITS)
@click.argument("remotes", nargs=-1, metavar="[REMOTE]...")
@click.pass_obj
def command(face: Face, remotes: tuple[str, ...]) -> None:
    """Bring everything new from REMOTE (by default origin) here, without changing files or branches of yours.

    Its branches are named REMOTE/NAME here. With several remotes, the first says what is new, and all of them
    send content. Every object is verified before a name refers to it.
    """
    done = face.repo.fetch(*remotes)
    if face.json:
        face.answer(screen.fetch_document(done))
    else:
        face.say(*screen.fetched(done))
