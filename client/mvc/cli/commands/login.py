"""`mvc login`."""

from __future__ import annotations

import os
import sys

import click

from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import login as screen

EXITS = {10: "", 12: EXIT_HELP[12], 13: EXIT_HELP[13]}


@verb("login", exits={**EXITS, 10: "no such repository there, or you may not read it"})
@click.argument("url")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Trust the certificates in FILE, for a server with your own authority.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="Allow plain text to other machines.")
@click.pass_obj
def command(face: Face, url: str, ca: str | None, insecure: bool) -> None:
    """Store a token for the server at URL, after the server has accepted it.

    The token is taken from MVC_TOKEN, or asked for, or read from a pipe. It is stored in a file that only you
    can read, is sent only to this server, and never stands in a repository's settings.

    \b
    mvc login grpcs://models.example.org/team/iris
    mvc login grpcs://models.example.org < token
    """
    from mvc.api.credentials import login  # late: start-up

    answer = login(url, _token(), ca=ca, insecure=insecure, monitor=face.monitor())
    face.answer(screen.document(answer), [screen.line(answer)])
    if not answer.repo:
        face.hint(f"mvc clone {answer.server}/NAME")


def _token() -> str:
    named = os.environ.get("MVC_TOKEN")
    if named:
        return named
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True))
    return sys.stdin.readline(1000)
