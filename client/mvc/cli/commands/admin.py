"""`mvc admin`: its verbs are in admin_accounts, admin_storage, admin_backup and admin_repair."""

from __future__ import annotations

import click

from mvc.cli.commands import admin_accounts, admin_backup, admin_repair, admin_storage


@click.group("admin", cls=admin_accounts.ServerGroup)
def command() -> None:
    """Manage the accounts and repositories of a team server, on the server itself.

    Works on the server's directory or the address of its bucket (--root, MVC_ROOT, or the current directory),
    whether or not a server runs there. A running server obeys from its next call on. Each change is a row of
    the audit log (mvc audit log). On a server, mvcd admin does the same.

    \b
    mvc admin user add ada
    mvc admin repo add team/iris
    mvc admin grant add ada write --repos 'team/*'
    mvc admin token add ada --expires 90d
    """


for below in (
    admin_accounts.user,
    admin_accounts.token,
    admin_accounts.grant,
    admin_storage.protect,
    admin_storage.repo,
    admin_storage.quota,
    admin_backup.backup,
    admin_backup.restore,
    admin_backup.copy,
    admin_repair.repair,
):
    command.add_command(below)
