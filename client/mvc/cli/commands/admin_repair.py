"""`mvc admin repair`."""

from __future__ import annotations

import click

from mvc.cli.commands import repair as verb_repair
from mvc.cli.commands.admin_accounts import NO_REPOSITORY, root_option
from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb


@verb("repair", exits=REMOTE_EXITS | NO_REPOSITORY)
@click.argument("name", required=False)
@verb_repair.asking
@click.option(
    "--from",
    "remote",
    metavar="URL",
    help="Verify all content of NAME, and fetch what is damaged or missing from URL.",
)
@root_option
@click.pass_obj
def repair(
    face: Face,
    name: str | None,
    dry_run: bool,
    yes: bool,
    lost_found: bool,
    remote: str | None,
    root: str | None,
) -> int:
    """Repair the repository NAME, or the accounts and every repository, while no server runs.

    As mvc repair does, it shows what it would do and asks, and keeps damaged files beside the new ones.
    """
    from mvc.api.care import server_plans  # late: start-up

    if remote is not None and name is None:
        raise click.UsageError(
            "--from heals one repository: say its NAME", click.get_current_context()
        )

    plans, ids = server_plans(root, name)
    return verb_repair.run(
        face, plans, dry_run=dry_run, yes=yes, lost_found=lost_found, ids=ids, remote=remote
    )
