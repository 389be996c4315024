"""`mvc cherry-pick`."""

from __future__ import annotations

from typing import Any

import click

from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, verb
from mvc.cli.picked import CONFLICTS, pick, pick_options


@verb("cherry-pick", exits=BUSY | DAMAGE | CONFLICTS)
@pick_options(message="Say why. [default: that version's message]")
@click.pass_obj
def command(face: Face, /, rev: str, **how: Any) -> None:
    """Do here what version REV changed against the version before it, as a new version.

    Files are taken whole. If a file was changed here too, and differently, it is listed, and nothing is changed
    until --ours or --theirs says which side counts.

    \b
    mvc cherry-pick trial          what the newest version of branch trial did
    mvc cherry-pick 1f2e3d --theirs params.yaml
    """
    pick(face, lambda: face.repo.cherry_pick(rev, **how))
