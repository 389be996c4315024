"""`mvc help`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb

_COLUMNS = 80
"""Where there is no terminal that says how wide it is."""


@verb("help", exits={10: ""})
@click.argument("words", nargs=-1, metavar="[VERB]...")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the manual page of VERB, or of a verb of its own, like mvc help op log.

    Without VERB, it lists the verbs, as mvc --help does. The page of mvc itself (mvc help mvc) has the options
    of every verb, the exit codes, the environment and the files. On a terminal a long page goes through PAGER.

    The same pages are installed for man: man mvc-log.
    """
    from mvc.cli.manual import pages, screen  # late: start-up

    face = context.ensure_object(Face)
    if not words and not face.json:
        click.echo(context.find_root().get_help())
        return
    page = pages.whole() if words in ((), ("mvc",)) else pages.page(*words)
    lines = list(screen.lines(page, columns=text.room() or _COLUMNS))
    if face.json:
        plain = "".join(f"{click.unstyle(line)}\n" for line in lines)
        face.answer({"command": page.command, "summary": page.summary, "text": plain})
    else:
        face.page(lines)
