"""`mvc doctor`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("doctor", exits={1: "failure, or a check failed"})
@click.pass_obj
def command(face: Face) -> int:
    """Check what a repository stands on: store, file system, free space, kernels, left-over files.

    The checks are independent, and none needs the repository to open. No content is read: mvc verify does that.
    """
    from mvc.api.care import doctor  # late: start-up

    checks = doctor()
    ok = all(check.ok for check in checks)
    document = {
        "ok": ok,
        "checks": [
            {"name": c.name, "ok": c.ok, "detail": c.detail, "help": c.help or None} for c in checks
        ],
    }
    rows = [
        (
            click.style("ok", fg="green") if c.ok else click.style("BAD", fg="red", bold=True),
            c.name,
            text.safe(c.detail) + (f"\n     help: {c.help}" if c.help and not c.ok else ""),
        )
        for c in checks
        if not (face.quiet and c.ok)
    ]
    face.answer(document, text.table(rows))
    return 0 if ok else 1
