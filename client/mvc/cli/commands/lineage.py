"""`mvc lineage`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens.lineage import boxes, lines


@verb("lineage")
@click.argument("rev", default="HEAD")
@click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE",
              help="Draw the lineage as FILE.png, FILE.svg or FILE.html.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["prov", "openlineage"]),
              help="Write W3C PROV-JSON, or an OpenLineage event.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE",
              help="Write the document into FILE.")  # fmt: skip
@click.pass_obj
def command(face: Face, rev: str, plot: str | None, form: str | None, output: str | None) -> None:
    """Show what made a version, and what was made from it.

    Shows the code, settings, data and parent's weights that went into REV, each with the version since which it
    has not changed; the command that made it and where it ran; and its children, branches, tags and stages.
    Records suffice: no content is read.
    """
    if output is not None and form is None:
        raise click.UsageError("-o goes with --format", click.get_current_context())
    if plot is not None:
        from mvc.pictures.files import check_name  # late: start-up

        check_name(plot)
    found = face.repo.lineage(rev)
    if plot is not None:
        from mvc.pictures.family import draw  # late: start-up
        from mvc.pictures.files import write

        write(draw(f"v{found.number} {found.message}", *boxes(found)), plot)
    if form is not None:
        _write(found.prov() if form == "prov" else found.openlineage(), output)
    elif face.json:
        face.answer(documents.lineage(found))
    elif not face.quiet:
        face.page(lines(found))


def _write(document: dict[str, Any], output: str | None) -> None:
    """The standard's document alone: no schema_version of ours goes into it."""
    data = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if output is None:
        click.echo(data)
    else:
        Path(output).write_text(data + "\n", encoding="utf-8")
