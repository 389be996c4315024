"""`mvc catalogue`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb
from mvc.cli.screens import cards as screen


@verb("catalogue", exits=DAMAGE)
@click.argument("revs", nargs=-1, metavar="[REV...]")
@click.option("--stage", metavar="NAME", help="List all versions that hold or held stage NAME.")
@click.option("--tags", is_flag=True, help="List all versions that have a tag.")
@click.option(
    "--md", "style", flag_value="markdown", help="Write a page of Markdown, with complete digests."
)
@click.option(
    "--html", "style", flag_value="html", help="Write a page of HTML, with complete digests."
)
@click.option("-o", "--output", metavar="FILE", help="Write the page to FILE.")
@click.pass_obj
def command(
    face: Face,
    revs: tuple[str, ...],
    stage: str | None,
    tags: bool,
    style: str | None,
    output: str | None,
) -> None:
    """List models in a table, one row each: architecture, weights, settings, data, results, how to get it.

    By default it lists everything published, which is every version that has a tag or was ever on a stage,
    newest first. Every row is addressed by digest.
    """
    if output and style is None:
        raise click.UsageError("-o needs --md or --html", click.get_current_context())
    made = face.repo.catalogue(*revs, stage=stage, tags=tags)
    if face.json:
        face.answer({"models": [screen.document(card) for card in made.cards]})
    elif style is not None:
        screen.put(face, made.html() if style == "html" else made.markdown(), output)
    else:
        face.page(screen.table(made))
        if not made.cards:
            face.hint("Nothing was published yet.  mvc tag v1.0, or: mvc promote HEAD staging")
