"""`mvc verify-deploy`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb
from mvc.cli.screens import deploy as screen


@verb(
    "verify-deploy",
    exits={
        **DAMAGE,
        1: "failure, or the copy differs",
        10: "REV has to be looked up, and there is no repository here",
    },
)
@click.argument("directory", metavar="DIR")
@click.argument("rev", required=False, metavar="[REV]")
@click.pass_obj
def command(face: Face, directory: str, rev: str | None) -> int:
    """Check that DIR, made by mvc export, is the version that its manifest names, and that it is REV.

    Every file is read. Its digests have to add up to the version's id, so nothing but DIR is needed, and a
    complete id as REV (64 digits) proves it. Any other REV, like production, is looked up in the repository
    here. Files that the version does not have count as differences.
    """
    from mvc.api.deploy import verify_deploy  # late: start-up

    report = verify_deploy(directory, rev, monitor=face.monitor())
    face.answer(screen.verify_document(report), screen.verified(report))
    return 0 if report.ok else 1
