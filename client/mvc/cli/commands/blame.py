"""`mvc blame`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import blame as screen


@verb("blame")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--rev", default="HEAD", metavar="REV", help="Search from REV backwards. [default: HEAD]"
)
@click.pass_obj
def command(face: Face, names: tuple[str, ...], rev: str) -> None:
    """Show which version last changed NAME, who saved it, when, and what NAME was before.

    \b
    NAME is
      model.safetensors     a file, or a directory with everything in it
      encoder.0.weight      a tensor; in one file: FILE:TENSOR
      lr, opt.lr, val.loss  a hyperparameter or a metric

    mvc log --touching NAME shows all versions that changed it.
    """
    found = [face.repo.blame(name, rev) for name in names]
    way = face.repo.way_to_absent
    if face.json:
        face.answer({"blame": [screen.document(b, way) for b in found]})
    else:
        now = datetime.now().astimezone()
        face.answer({}, screen.lines(found, now, way))
