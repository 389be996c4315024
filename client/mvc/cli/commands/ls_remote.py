"""`mvc ls-remote`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.api.errors import NoRepository
from mvc.api.version_paths import long_form
from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb

if TYPE_CHECKING:
    from mvc.api.remotes import RemoteRef


@verb("ls-remote", exits=REMOTE_EXITS)
@click.argument("remote", required=False)
@click.pass_obj
def command(face: Face, remote: str | None) -> None:
    """List the refs of REMOTE, a name or an address, as they are now. Nothing is fetched.

    With an address, no repository is needed here.
    """
    refs = _refs(face, remote)
    rows = [
        (click.style(text.short(r.version), fg="yellow"), text.safe(long_form(r.name)))
        for r in refs
        if r.version is not None
    ]
    document = {"refs": [{"name": r.name, "version": r.version} for r in refs]}
    face.answer(document, text.table(rows))


def _refs(face: Face, remote: str | None) -> tuple[RemoteRef, ...]:
    try:
        return face.repo.remote_refs(remote)
    except NoRepository:
        if remote is None:
            raise
    from mvc.api.repo import Repo  # late: start-up

    return Repo.refs_at(remote, monitor=face.monitor())
