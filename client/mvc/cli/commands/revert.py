"""`mvc revert`."""

from __future__ import annotations

from typing import Any

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.picked import CONFLICTS, pick, pick_options


@verb("revert", exits=BUSY | DAMAGE | CONFLICTS)
@pick_options(message="Say why. [default: revert vN and its message]")
@click.pass_obj
def command(face: Face, /, rev: str, **how: Any) -> None:
    """Take back what version REV changed, as a new version; what was saved after it stays.

    To go back to a version as a whole: mvc rollback. To take back the last command: mvc undo. If a file was
    changed again since, it is listed, and nothing is changed until --ours (as it is now) or --theirs (as before
    REV) says which side counts.

    \b
    mvc revert HEAD               what the last version changed
    mvc revert v7 --theirs data
    """
    pick(face, lambda: face.repo.revert(rev, **how))
