"""`mvc remote`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, VerbGroup

if TYPE_CHECKING:
    from mvc.api.remotes import Remote


@click.group("remote", cls=VerbGroup, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Remotes are names for other repositories: origin is the one that push and pull mean.

    Without a verb: list.
    """
    if context.invoked_subcommand is None:
        with list_.make_context("list", [], parent=context) as below:
            list_.invoke(below)


@command.command("list")
@click.pass_obj
def list_(face: Face) -> None:
    """List the remotes and their addresses."""
    found = face.repo.remotes()
    rows = [(click.style(r.name, bold=True), text.safe(r.url)) for r in found]
    face.answer({"remotes": [{"name": r.name, "url": r.url} for r in found]}, text.table(rows))
    if not found:
        face.hint("There are none yet.  mvc remote add origin URL")


@command.command("add", exits=BUSY)
@click.argument("name")
@click.argument("url")
@click.pass_obj
def add(face: Face, name: str, url: str) -> None:
    """Call the repository at URL NAME.

    URL is grpcs://host/repo (over TLS), grpc://localhost:port/repo, ssh://host/path, file:///path, or a path; a
    relative one is kept as absolute.
    """
    _told(face, face.repo.add_remote(name, url), "Added")


@command.command("set-url", exits=BUSY)
@click.argument("name")
@click.argument("url")
@click.pass_obj
def set_url(face: Face, name: str, url: str) -> None:
    """Let NAME mean the repository at URL from now on."""
    _told(face, face.repo.set_remote_url(name, url), "Changed")


@command.command("rename", exits=BUSY)
@click.argument("old")
@click.argument("new")
@click.pass_obj
def rename(face: Face, old: str, new: str) -> None:
    """Call remote OLD NEW; its branches here are called so too."""
    _told(face, face.repo.rename_remote(old, new), "Renamed")


@command.command("remove", exits=BUSY)
@click.argument("name")
@click.pass_obj
def remove(face: Face, name: str) -> None:
    """Forget a remote and where its branches were. What other refs reach stays."""
    _told(face, face.repo.remove_remote(name), "Removed")


def _told(face: Face, remote: Remote, done: str) -> None:
    if face.json:
        face.answer({"name": remote.name, "url": remote.url})
    else:
        face.say(f"{done} {remote.name}  {text.safe(remote.url)}")
