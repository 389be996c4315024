"""What `mvc verify --remote` tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.remotes import RemoteReport

_SHOWN_LINES = 20


def remote(report: RemoteReport, *, read: bool) -> Iterator[str]:
    how = f"{text.size(report.bytes)} re-hashed" if read else "content not read"
    what = (
        f"{text.plural(report.versions, 'version')}, {text.plural(report.objects, 'object')} at "
        f"{text.safe(report.remote or report.url)}, {how}"
    )
    if report.ok:
        yield f"{click.style('ok', fg='green', bold=True)}  {what}"
    else:
        yield f"{click.style('damaged', fg='red', bold=True)}  {what}"
    yield from (f"  {each}" for each in report.broken[:_SHOWN_LINES])
    for harm in report.hurts[:_SHOWN_LINES]:
        yield f"  hurts v{harm.number} {text.short(harm.version)}  {text.safe(harm.path)}".rstrip()
    if len(report.hurts) > _SHOWN_LINES:
        yield f"  ... and {len(report.hurts) - _SHOWN_LINES:,} more"
    for label, names in (("missing", report.missing), ("wrong bytes", report.damaged)):
        yield from (f"  {label}: {name}" for name in names[:_SHOWN_LINES])
        if len(names) > _SHOWN_LINES:
            yield f"  ... and {len(names) - _SHOWN_LINES:,} more"
    if report.unknown:
        refs = text.plural(report.unknown, "version")
        yield click.style(f"  {refs} there not known here, so not looked at: mvc fetch", dim=True)
    if report.missing or report.damaged:
        yield f"help: mvc push --all {text.safe(report.remote or report.url)}  (sends anew what is whole here)"
    if any(not each.startswith("pack: ") for each in report.broken):
        yield "help: put back that object from a version or a copy of the bucket, or push to another place"


def remote_document(report: RemoteReport) -> dict[str, Any]:
    return {
        "remote": report.remote or None,
        "url": report.url,
        "ok": report.ok,
        "refs": report.refs,
        "unknown": report.unknown,
        "versions": report.versions,
        "objects": report.objects,
        "bytes": report.bytes,
        "missing": report.missing,
        "damaged": report.damaged,
        "broken": report.broken,
        "hurts": [
            {"version": harm.version, "number": harm.number, "path": harm.path}
            for harm in report.hurts
        ],
    }
