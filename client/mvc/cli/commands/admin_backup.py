"""`mvc admin backup|restore|copy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text
from mvc.cli.commands.admin_accounts import root_option
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, REMOTE_EXITS, verb
from mvc.cli.screens import admin as screen

if TYPE_CHECKING:
    from mvc.api.backup import StoreBackup

_NOT_HERE = {10: "no server's directory, or no backup"}
_ONE_AT_A_TIME = {10: "", 11: "a server has FROM or TO, or FROM was written meanwhile"}


@verb("backup", exits=DAMAGE | _NOT_HERE)
@click.argument("target", metavar="TO")
@root_option
@click.pass_obj
def backup(face: Face, target: str, root: str | None) -> None:
    """Copy the server's directory to TO, a new or empty directory, also while the server runs.

    Each store is copied as of one moment, and every object of the copy is read.
    """
    from mvc.api.backup import backup as make  # late: start-up

    _answer(face, make(target, root=root, monitor=face.monitor()), "saved in", target)


@verb("restore", exits=DAMAGE | _NOT_HERE)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="DIR")
@click.pass_obj
def restore(face: Face, source: str, target: str) -> None:
    """Make the server's directory DIR, new or empty, from the backup FROM.

    Every object is read; refs and audit logs are compared with those that were backed up.
    """
    from mvc.api.backup import restore as make  # late: start-up

    _answer(face, make(source, target, monitor=face.monitor()), "restored in", target)


@verb("copy", exits=REMOTE_EXITS | DAMAGE | _ONE_AT_A_TIME)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be copied.")
@click.option("--quick", is_flag=True, help="Compare the copy, but do not read its content back.")
@click.pass_obj
def copy(face: Face, source: str, target: str, dry_run: bool, quick: bool) -> None:
    """Copy the team server's root FROM, a directory or the address of a bucket, to the other place TO.

    Servers started at TO then answer as those at FROM did: the same refs, tokens, roles, quotas and audit logs.
    End the servers at FROM before: what is pushed there later is not in TO.

    TO must be new or empty, or a copy that was cut short, which goes on where it was. No server opens it before
    it is whole: every object read back, refs and logs compared.
    """
    from mvc.api.backup import copy as make  # late: start-up

    made = make(source, target, read_data=not quick, dry_run=dry_run, monitor=face.monitor())
    place = text.safe(target)
    if dry_run:
        said = f"would be copied to {place}"
    else:
        said = f"copied to {place}, {'not read back' if quick else 'every object read'}"
    face.answer({"from": source, "to": target, "dry_run": dry_run, **_document(made)}, _table(made))
    face.say(f"{text.plural(len(made), 'store')} {said}")
    if not dry_run:
        face.hint(f"mvcd serve --root {place}")


def _answer(face: Face, stores: list[StoreBackup], done: str, where: str) -> None:
    face.answer(_document(stores), _table(stores))
    face.say(f"{text.plural(len(stores), 'store')} {done} {text.safe(where)}, every object read")


def _document(stores: list[StoreBackup]) -> dict[str, Any]:
    return {"stores": [screen.document(store) for store in stores]}


def _table(stores: list[StoreBackup]) -> list[str]:
    return text.table(map(screen.store, stores), right=(1, 2, 3))
