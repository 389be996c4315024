"""`mvc admin backup|restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.commands.admin_accounts import root_option
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb
from mvc.cli.screens import admin as screen

if TYPE_CHECKING:
    from mvc.api.backup import StoreBackup

_NOT_HERE = {10: "no server's directory, or no backup"}


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


def _answer(face: Face, stores: list[StoreBackup], done: str, where: str) -> None:
    face.answer(
        {"stores": [screen.document(store) for store in stores]},
        text.table(map(screen.store, stores), right=(1, 2, 3)),
    )
    face.say(f"{text.plural(len(stores), 'store')} {done} {text.safe(where)}, every object read")
