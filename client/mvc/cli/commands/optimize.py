"""`mvc optimize`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb

if TYPE_CHECKING:
    from mvc.api.results import OptimizeReport


@verb("optimize", exits=BUSY)
@click.option("-n", "--dry-run", is_flag=True, help="Only estimate what would be freed.")
@click.pass_obj
def command(face: Face, dry_run: bool) -> None:
    """Store what is there in fewer bytes, and the newest versions so that they are read fastest.

    Versions and digests stay as they are, and all together takes no more than before. What is stored as a
    difference to an older version is turned round, the newest version of a branch whole and older ones as
    differences to newer ones, as far as that costs nothing; this needs room for what is turned. A pack is
    written anew with the codecs of this release where a few of its records promise 2 %.

    It may be interrupted at any moment, and other commands may save at the same time. In workspaces that it
    watches mvcd writes packs anew by itself, when there is nothing else to do: mvc config set optimize.auto
    false leaves it to you.
    """
    answer(face, face.repo.optimize(dry_run=dry_run), dry_run=dry_run)


def answer(face: Face, report: OptimizeReport, *, dry_run: bool) -> None:
    document = {
        "dry_run": dry_run,
        "packs": report.packs,
        "packs_rewritten": report.rewritten,
        "bytes_freed": report.freed_bytes,
        "chunks_turned": report.rebased,
    }
    if face.json:
        face.answer(document)
        return
    if not report.rewritten and not report.rebased:
        face.say(
            f"Nothing to gain: {text.plural(report.packs, 'pack')} as small as this release makes"
        )
        return
    done = "Would free about" if dry_run else "Freed"
    wrote = "to write anew" if dry_run else "written anew"
    turned = "to turn round" if dry_run else "turned round"
    parts = []
    if report.rewritten:
        parts.append(f"{report.rewritten:,} of {text.plural(report.packs, 'pack')} {wrote}")
    if report.rebased:
        parts.append(f"{text.plural(report.rebased, 'chunk')} {turned}, newest whole")
    face.say(f"{done} {text.size(max(0, report.freed_bytes))}: {'; '.join(parts)}")
