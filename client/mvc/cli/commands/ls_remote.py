"""`mvc ls-remote`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb


@verb("ls-remote", exits=REMOTE_EXITS)
@click.argument("remote", required=False)
@click.pass_obj
def command(face: Face, remote: str | None) -> None:
    """List the refs of REMOTE, a name or an address, as they are now. Fetches nothing."""
    refs = face.repo.remote_refs(remote)
    rows = [
        (click.style(text.short(r.version), fg="yellow"), text.safe(r.name))
        for r in refs
        if r.version is not None
    ]
    document = {"refs": [{"name": r.name, "version": r.version} for r in refs]}
    face.answer(document, text.table(rows))
