"""`mvc version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from mvc.api.errors import __version__
from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb

_PARTS = ("blake3", "click", "grpcio", "lmdb", "protobuf", "zstandard")


@verb("version", exits={10: ""})
@click.pass_obj
def command(face: Face) -> None:
    """Show the versions of mvc, Python, the system and the most important libraries."""
    found = {"mvc": __version__, "python": platform.python_version(), "system": platform.platform()}
    if not face.quiet:
        for part in _PARTS:
            try:
                found[part] = metadata.version(part)
            except metadata.PackageNotFoundError:
                found[part] = "missing"
    face.answer({"versions": found}, text.table(found.items()))
