"""`mvc promote`."""

from __future__ import annotations

import sys

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.screens import stages as screen


@verb("promote", exits=BUSY | DAMAGE | {1: "failure, or a requirement is not met"})
@click.argument("rev")
@click.argument("stage")
@click.option(
    "--require",
    multiple=True,
    metavar="'NAME>=VALUE'",
    help="Refuse unless this holds. May be given several times.",
)
@click.option(
    "-m", "--reason", default="", metavar="TEXT", help="Say why, for the stage's history."
)
@click.option("--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]")
@click.pass_obj
def command(
    face: Face, rev: str, stage: str, require: tuple[str, ...], reason: str, author: str | None
) -> None:
    """Promote version REV to STAGE: staging, production, or any name.

    All of its content has to be here, and every requirement has to be met: those of --require (in the language
    of mvc log --where) and those that mvc.toml has for the stage:

    \b
    [stages.production]
    require = ["val_acc>=0.93", "val_loss<=current"]
    signed = true

    Here current stands for the value of the version that holds the stage now.

    Who, when, why and what was checked are added to the stage's history, which only grows. From then on STAGE
    names the version wherever a revision is expected, and production@{2026-11-01} the one of that day.
    """
    from mvc.api.stages import GateFailed  # late: start-up

    try:
        made = face.repo.promote(rev, stage, require=require, reason=reason, author=author)
    except GateFailed as refused:
        if not face.json:
            for line in screen.checked(refused.checked):
                click.echo(line, err=True, color=face.colored(sys.stderr))
        raise
    if face.json:
        face.answer(screen.document(made))
        return
    face.say(*screen.met(made))
    face.say(f"v{made.version_number} holds {stage} now  (record {made.number})")
    if made.number > 1:
        face.hint(f"mvc stage rollback {text.safe(stage)}  brings the one before back")
