"""`mvc check-ignore`."""

from __future__ import annotations

import os

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("check-ignore", exits={1: "failure, or no path is left out"})
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_obj
def command(face: Face, paths: tuple[str, ...]) -> int:
    """Show which rule leaves a path out of versions: a line of a .mvcignore file, or a built-in one."""
    found = face.repo.check_ignore(*map(os.path.abspath, paths))
    matches = [(path, match) for path, (_, match) in zip(paths, found, strict=True)]
    document = {
        "paths": [
            {
                "path": path,
                "ignored": match is not None,
                "pattern": match.pattern if match else None,
                "source": match.source if match else None,
                "line": match.line if match else None,
            }
            for path, match in matches
        ]
    }
    rows = [
        (text.safe(path), f"{match.source or 'built in'}:{match.line}" if match.source else "built in",
         text.safe(match.pattern))
        for path, match in matches
        if match is not None
    ]  # fmt: skip
    face.answer(document, text.table(rows))
    return 0 if rows else 1
