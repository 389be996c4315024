"""`mvc login`."""

from __future__ import annotations

import os
import sys

import click

from mvc.api.errors import NoRepository
from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import login as screen

EXITS = {10: "", 12: EXIT_HELP[12], 13: EXIT_HELP[13]}


@verb("login", exits={**EXITS, 10: "no such repository there, or you may not read it"})
@click.argument("url", metavar="URL|REMOTE")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Trust the certificates in FILE, for a server with your own authority.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="Allow plain text to other machines.")
@click.pass_obj
def command(face: Face, url: str, ca: str | None, insecure: bool) -> None:
    """Store a token for the server at URL, or of a remote, after the server has accepted it.

    The token is taken from MVC_TOKEN, or asked for, or read from a pipe. It is stored in a file that only you
    can read, is sent only to this server, and never stands in a repository's settings.

    \b
    mvc login grpcs://models.example.org/team/iris
    mvc login grpcs://models.example.org < token
    """
    from mvc.api.credentials import login  # late: start-up

    answer = login(address(face, url), _token(), ca=ca, insecure=insecure, monitor=face.monitor())
    face.answer(screen.document(answer), [screen.line(answer)])
    if not answer.repo:
        face.hint(f"mvc clone {answer.server}/NAME")


def address(face: Face, word: str) -> str:
    """The address that `word` is, or that the remote of this name has, where there is a repository."""
    if ":" in word or "/" in word:
        return word
    try:
        return face.repo.remote(word).url
    except NoRepository:
        return word


def _token() -> str:
    named = os.environ.get("MVC_TOKEN")
    if named:
        return named
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True))
    return sys.stdin.readline(1000)
