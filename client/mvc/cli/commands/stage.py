"""`mvc stage`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, Option, VerbGroup
from mvc.cli.screens import stages as screen

_REASON = click.option(
    "-m", "--reason", default="", metavar="TEXT", help="Say why, for its history."
)
_AUTHOR = click.option(
    "--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]"
)


@click.group("stage", cls=VerbGroup, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show, roll back or withdraw stages.

    A stage is a name like production that mvc promote moves; every move is recorded permanently. Without a
    verb, the stages are listed.
    """
    if context.invoked_subcommand is None:
        with list_.make_context("list", [], parent=context) as below:
            list_.invoke(below)


@command.command("list", exits=DAMAGE)
@click.pass_obj
def list_(face: Face) -> None:
    """List the stages and who holds them."""
    found = face.repo.stages()
    now = datetime.now().astimezone()
    face.answer({"stages": [screen.document(r) for r in found]}, screen.holders(found, now))
    if not found:
        face.hint("Nothing was promoted yet.  mvc promote HEAD staging --reason '...'")


@command.command("history", exits=DAMAGE)
@click.argument("name")
@click.option(
    "--at", metavar="DATE", help="Show only what was live then: 2026-11-01, a time, or 2h (ago)."
)
@click.option(
    "--verify", is_flag=True, help="Follow the chain of records; exit with 14 if it is broken."
)
@click.option(
    "--seal",
    metavar="DIGEST",
    help="With --verify: the digest of a record that must still be there.",
)
@click.pass_obj
def history(face: Face, name: str, at: str | None, verify: bool, seal: str | None) -> int | None:
    """Show which versions held stage NAME, when, why, and what was checked; newest first.

    Each record names the digest of the one before. --verify follows them and prints the digest of the newest.
    Kept elsewhere and given as --seal, that digest shows later that nothing was rewritten.
    """
    if seal is not None and not verify:
        raise click.UsageError("--seal goes with --verify", click.get_current_context())
    if verify:
        report = face.repo.stage_check(name, seal=seal)
        face.answer(screen.chain_document(report), screen.chain(report))
        return None if report.ok else 14
    found = face.repo.stage_history(name, at=at)
    if face.json:
        face.answer({"stage": name, "records": [screen.document(r) for r in found]})
    else:
        now = datetime.now().astimezone()
        face.page(screen.history(found, now, verbose=face.verbose > 0))
        if not found:
            face.say(f"Nothing had been promoted to {name} then.")
    return None


@command.command("rollback", exits=BUSY | DAMAGE)
@click.argument("name")
@click.option(
    "--to",
    cls=Option,
    type=click.IntRange(min=1),
    metavar="N",
    help="Bring back the holder of record N.",
)
@_REASON
@_AUTHOR
@click.pass_obj
def rollback(face: Face, name: str, to: int | None, reason: str, author: str | None) -> None:
    """Give stage NAME back to the version that held it before.

    That version met the requirements of its day and is not checked again; its content has to be here. A record
    is added to the history. Run again, it goes back one holder more.
    """
    made = face.repo.stage_rollback(name, to=to, reason=reason, author=author)
    if face.json:
        face.answer(screen.document(made))
    else:
        face.say(
            f"v{made.version_number} holds {name} again, as by record {made.restores}  "
            f"(record {made.number})"
        )


@command.command("withdraw", exits=BUSY | DAMAGE)
@click.argument("name")
@_REASON
@_AUTHOR
@click.pass_obj
def withdraw(face: Face, name: str, reason: str, author: str | None) -> None:
    """Withdraw stage NAME, so that no version holds it; its history stays."""
    made = face.repo.stage_withdraw(name, reason=reason, author=author)
    if face.json:
        face.answer(screen.document(made))
    else:
        face.say(f"v{made.version_number} is withdrawn from {name}  (record {made.number})")
        face.hint(f"mvc stage rollback {name}  brings it back")
