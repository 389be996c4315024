"""`mvc gc`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, REMOTE_EXITS, verb

if TYPE_CHECKING:
    from mvc.api.results import CollectReport

_AGE = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@verb("gc", exits=BUSY | REMOTE_EXITS)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be freed.")
@click.option("--expire-operations", "age", metavar="AGE",
              help="Forget operations older than AGE (90m, 12h, 30d, 0s). [default: 30d]")  # fmt: skip
@click.option("--remote", is_flag=False, flag_value="", metavar="[NAME]",
              help="Free it at a remote (by default origin) in a bucket or a directory instead.")  # fmt: skip
@click.pass_obj
def command(face: Face, dry_run: bool, age: str | None, remote: str | None) -> None:
    """Free content that nothing reaches.

    Kept is everything that a branch, a tag or an operation that can still be undone reaches. Other commands may
    save at the same time. In workspaces that it watches mvcd does it too, at most daily, where enough may be
    freed: mvc config set gc.auto false leaves it to you.

    In a bucket, where others may be pushing, what is given up is deleted by a later mvc gc --remote, after a
    day: mvc config set remote.NAME.grace 12h changes that.
    """
    report = face.repo.gc(dry_run=dry_run, expire_operations=parse_age(age), remote=remote)
    answer(face, report, dry_run=dry_run)


def answer(face: Face, report: CollectReport, *, dry_run: bool) -> None:
    document = {
        "dry_run": dry_run,
        "objects": report.objects,
        "bytes": report.raw_bytes,
        "bytes_freed": report.freed_bytes,
        "objects_kept": report.kept_objects,
    }
    if face.json:
        face.answer(document)
        return
    done = "Would free" if dry_run else "Freed"
    face.say(
        f"{done} {text.size(report.freed_bytes)}: {text.plural(report.objects, 'object')}; "
        f"{report.kept_objects:,} stay"
    )


def parse_age(given: str | None) -> timedelta | None:
    if given is None:
        return None
    match = _AGE.fullmatch(given.strip())
    if match is None:
        raise click.UsageError(
            f"{given!r} is no age (90m, 12h, 30d, 0s)", click.get_current_context()
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
