"""`mvc tag`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb


@verb("tag", exits=BUSY | {12: "not allowed, or the key to sign with does not open"})
@click.argument("words", nargs=-1, metavar="[NAME [REV]]")
@click.option("-m", "--message", default="", metavar="TEXT", help="Attach a message to the tag.")
@click.option("-s", "--sign", is_flag=True, help="Sign the tag with your SSH key: see mvc sign.")
@click.option("-d", "--delete", metavar="NAME", help="Delete tag NAME.")
@click.option("-l", "--list", "listing", is_flag=True, help="List tags, as without any argument.")
@click.pass_obj
def command(
    face: Face,
    words: tuple[str, ...],
    message: str,
    sign: bool,
    delete: str | None,
    listing: bool,
) -> None:
    """List tags, or give REV (by default HEAD) a name that never moves.

    NAME is what git and others allow, Unicode and spaces included. One that reads as something else, such as
    v1 (version 1) or HEAD, takes its long form, tags/v1, here and wherever a revision is asked for. %XX is a
    byte of UTF-8 in hex, as in URLs: x%20y is the tag "x y", a%3Ab is "a:b". Lists show names so that they
    can be typed as they stand.
    """
    if listing and (words or delete or message or sign):
        raise click.UsageError("-l goes alone", click.get_current_context())
    if (words and delete) or len(words) > 2 or ((message or sign) and not words):
        raise click.UsageError("mvc tag NAME [REV] [-m TEXT] [-s]", click.get_current_context())
    if delete:
        gone = face.repo.delete_tag(delete)
        face.say(f"Deleted tag {gone.rev} (was v{gone.number}, {text.short(gone.version)})")
    elif words:
        made = face.repo.tag(*words, message=message, sign=sign)
        by = f", signed with {made.signer}" if made.signer else ""
        face.say(f"Tagged v{made.number} as {made.rev}{by}")
    if face.json or not (delete or words):
        _list(face)


def _list(face: Face) -> None:
    tags = face.repo.tags()
    rows = [
        (
            t.rev,
            f"v{t.number}",
            click.style(text.short(t.version), fg="yellow"),
            text.first_line(t.message) if t.message else "",
        )
        for t in tags
    ]
    document = {
        "tags": [
            {
                "name": t.name,
                "rev": t.rev,
                "version": t.version,
                "number": t.number,
                "message": t.message,
            }
            for t in tags
        ]
    }
    face.answer(document, text.table(rows))
