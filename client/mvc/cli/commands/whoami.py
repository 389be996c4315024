"""`mvc whoami`."""

from __future__ import annotations

import click

from mvc.api.errors import AuthError, MvcError
from mvc.cli.commands.login import EXITS, address
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import login as screen


@verb("whoami", exits={**EXITS, 10: "no such repository there, or you may not read it"})
@click.argument("url", required=False, metavar="[URL|REMOTE]")
@click.pass_obj
def command(face: Face, url: str | None) -> int | None:
    """Show who you are on the server at URL, or of a remote, or on every server that you logged in to.

    The exit code is 12 if one of them does not accept the token any more.
    """
    from mvc.api.credentials import servers, whoami  # late: start-up

    if url is not None:
        answer = whoami(address(face, url), monitor=face.monitor())
        face.answer({"servers": [screen.document(answer)]}, [screen.line(answer)])
        return None
    code: int | None = None
    documents, lines = [], []
    for server in servers():
        try:
            answer = whoami(server, monitor=face.monitor())
        except MvcError as error:
            code = 12 if isinstance(error, AuthError) else code or 13
            documents.append({"server": server, "error": error.kind})
            lines.append(f"{server}  {error}" + (f" ({error.cause})" if error.cause else ""))
        else:
            documents.append(screen.document(answer))
            lines.append(screen.line(answer))
    face.answer({"servers": documents}, lines)
    if not lines:
        face.say("You are not logged in anywhere.")
        face.hint("mvc login URL")
    return code
