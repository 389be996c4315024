"""`mvc cat`."""

from __future__ import annotations

import os
import shutil
import sys

import click

from mvc.api.version_paths import split_path
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb

_PIECE_BYTES = 1 << 20


@verb("cat", exits=DAMAGE)
@click.argument("file", metavar="[REV:]PATH")
@click.option("--rev", metavar="REV", help="The version to read from. [default: HEAD]")
@click.pass_obj
def command(face: Face, file: str, rev: str | None) -> None:
    """Write a file of a version to stdout, exactly as it was saved.

    With --rev the whole argument is the path, colons included. With --json the answer has its size and its
    bytes in base64.

    \b
    mvc cat v12:params.yaml      a file as version 12 has it
    mvc cat model.pt > last.pt   as last saved
    """
    path = file
    if rev is None:
        before, after = split_path(file)
        rev, path = ("HEAD", file) if after is None else (before, after)
    with face.repo.open(os.path.abspath(path), rev) as source:
        if face.json:
            import base64  # late: start-up

            data = source.readall()
            assert data is not None
            face.answer(
                {"path": path, "size": len(data), "base64": base64.b64encode(data).decode()}
            )
            return
        sys.stdout.flush()
        shutil.copyfileobj(source, sys.stdout.buffer, _PIECE_BYTES)
        sys.stdout.buffer.flush()
