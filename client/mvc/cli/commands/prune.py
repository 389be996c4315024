"""`mvc prune`."""

from __future__ import annotations

from datetime import datetime

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, verb
from mvc.cli.screens import pruning as screen


@verb("prune", exits=REMOTE_EXITS)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would go, and what that frees.")
@click.pass_obj
def command(face: Face, dry_run: bool) -> None:
    """Let go of the content of automatic versions that no rule keeps.

    \b
    The rules are in mvc.toml:
      [retention]
      keep_all = "24h"                     # all that are younger
      hourly = 24                          # the last of each of 24 hours
      daily = 7                            # so for days, and for weeks:
      weekly = 4
      keep_last = 10                       # the newest
      best = {metric = "val_loss", k = 3}  # the best
      min_copies = 1                       # remotes that must have it
      grace = "24h"                        # until mvc gc may free it
    \b
    Never pruned are versions that a person made, that a branch, tag,
    remote's ref or HEAD points to, that were ever on a stage, or that are
    signed. Records always stay: log, compare and plot know every version.
    mvc undo takes a pruning back until its time of grace is over; after
    that content comes from a remote that has it, when it is asked for.
    """
    result = face.repo.prune(dry_run=dry_run)
    if face.json:
        face.answer(screen.document(result))
        return
    for line in screen.lines(result, datetime.now().astimezone(), every=face.verbose > 0):
        face.say(line)
    if result.operation is not None:
        until = result.until.astimezone()
        face.hint(f"mvc undo brings it back until {until:%Y-%m-%d %H:%M}; then mvc gc frees it")
