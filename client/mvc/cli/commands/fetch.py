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
    """Bring all that is new at REMOTE (by default origin) here; no file and no branch of yours is changed.

    Its branches are called REMOTE/NAME here. Given several, the first tells what is new and all of them send
    content. Every object is verified before it has a name.
    """
    done = face.repo.fetch(*remotes)
    if face.json:
        face.answer(screen.fetch_document(done))
    else:
        face.say(*screen.fetched(done))
