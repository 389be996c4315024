"""`mvc show`."""

from __future__ import annotations

import click

from mvc.api.errors import Failure
from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.habits import FILE_OF_A_VERSION
from mvc.cli.options import verb
from mvc.cli.screens.show import lines


@verb("show")
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.pass_obj
def command(face: Face, rev: str) -> None:
    """Show one version in full.

    Shows its five parts with their sizes, hyperparameters, metrics, where it came from, and what it changed
    against its first parent. Of settings that a library wrote down with all its defaults (transformers'
    training_args.bin) those are shown that differ from the parent, or that a source of the version sets; -v
    shows all.
    """
    try:
        version = face.repo.show(rev)
    except Failure as failure:
        if ":" in rev:
            failure.help = FILE_OF_A_VERSION
        raise
    changes = face.repo.diff(version.parents[0] if version.parents else "v0", version.id)
    signatures = face.repo.signatures(version.id).signatures
    if face.json:
        document = documents.version_whole(version, changes)
        face.answer({**document, "signatures": [documents.signature(s) for s in signatures]})
    else:
        face.page(lines(version, changes, signatures, verbose=face.verbose > 0))
