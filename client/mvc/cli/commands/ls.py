"""`mvc ls`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, component_option, verb

if TYPE_CHECKING:
    from mvc.api.results import Listed

_DIGESTS = ("sha256", "git-sha1", "md5")


@verb("ls", exits=DAMAGE)
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.argument("path", required=False, metavar="[PATH]")
@component_option("List only files of this component.")
@click.option("-l", "--long", is_flag=True, help="Show sizes and kinds.")
@click.option(
    "--digest",
    type=click.Choice(_DIGESTS),
    help="Print digests, in the format of sha256sum and md5sum.",
)
@click.pass_obj
def command(
    face: Face, rev: str, path: str | None, component: str | None, long: bool, digest: str | None
) -> None:
    """List the files of version REV (by default HEAD), or only those at PATH.

    With --digest, sha256sum -c or md5sum -c can check a copy of the version, in the copy's top directory.
    Links are left out then, since these programs follow them. git-sha1 is the id that git gives to a blob
    with the same bytes. A digest is computed once and remembered; with a table [digests] in mvc.toml, such
    as sha256 = true, commits compute it while they read files.
    """
    if digest and long:
        raise click.UsageError("-l and --digest exclude each other", click.get_current_context())
    top = None if path is None else os.path.abspath(path)
    found = face.repo.ls(rev, top, component=component, digest=digest)
    if face.json:
        face.answer({"files": [file_document(f, digest) for f in found]})
    elif digest:
        face.page(_sum_line(f) for f in found if f.mode != "symlink")
    elif long or face.verbose:
        face.page(_long(found))
    else:
        face.page(text.safe(f.path) for f in found)


def file_document(file: Listed, digest: str | None = None) -> dict[str, object]:
    """Element of `ls --json`; `digest` names the algorithm of the digest that the file has."""
    document: dict[str, object] = {
        "path": file.path,
        "component": file.component.value,
        "size": file.size,
        "mode": file.mode,
        "recipe": file.recipe,
    }
    return document if digest is None else document | {"digests": {digest: file.digest}}


def _sum_line(file: Listed) -> str:
    """Written as the GNU programs write and read it: a backslash first says that the name has escapes."""
    name = file.path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    line = f"{'' if name == file.path else chr(92)}{file.digest}  {name}"
    return text.safe(line) if sys.stdout.isatty() else line


def _long(files: Iterable[Listed]) -> Iterator[str]:
    for file in files:
        mark = {"executable": "*", "symlink": "@"}.get(file.mode, "")
        yield f"{text.size(file.size):>9}  {file.component.value:<15}  {text.safe(file.path)}{mark}"
