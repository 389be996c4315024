"""`mvc ls`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import component_option, verb

if TYPE_CHECKING:
    from mvc.api.results import Listed


@verb("ls")
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.argument("path", required=False, metavar="[PATH]")
@component_option("List only files of this component.")
@click.option("-l", "--long", is_flag=True, help="Show sizes and kinds.")
@click.pass_obj
def command(face: Face, rev: str, path: str | None, component: str | None, long: bool) -> None:
    """List the files of version REV (by default HEAD), or only those at PATH."""
    found = face.repo.ls(rev, None if path is None else os.path.abspath(path), component=component)
    if face.json:
        face.answer({"files": [_document(f) for f in found]})
    elif long or face.verbose:
        face.page(_long(found))
    else:
        face.page(text.safe(f.path) for f in found)


def _document(file: Listed) -> dict[str, object]:
    return {
        "path": file.path,
        "component": file.component.value,
        "size": file.size,
        "mode": file.mode,
        "recipe": file.recipe,
    }


def _long(files: Iterable[Listed]) -> Iterator[str]:
    for file in files:
        mark = {"executable": "*", "symlink": "@"}.get(file.mode, "")
        yield f"{text.size(file.size):>9}  {file.component.value:<15}  {text.safe(file.path)}{mark}"
