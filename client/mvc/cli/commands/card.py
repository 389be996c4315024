"""`mvc card`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb
from mvc.cli.screens import cards as screen


@verb("card", exits=DAMAGE)
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.option("--html", "as_html", is_flag=True, help="Write HTML instead of Markdown.")
@click.option("-o", "--output", metavar="FILE", help="Write the card to FILE.")
@click.pass_obj
def command(face: Face, rev: str, as_html: bool, output: str | None) -> None:
    """Print the model card of REV (by default HEAD): one page of Markdown for people who did not make it.

    The page has the five parts with their digests, parameters by dtype, settings, metrics, data, provenance,
    the stages that it held and what was checked, signatures, and the commands that fetch and check it. Licence
    and intended use are those of its README, or the annotations license and intended_use (mvc note).
    """
    card = face.repo.card(rev)
    if face.json:
        face.answer(screen.document(card))
    else:
        screen.put(face, card.html() if as_html else card.markdown(), output)
