"""`mvc doctor`."""

from __future__ import annotations

import os

import click

from mvc import daemon_client
from mvc.api.errors import DaemonError, __version__
from mvc.api.results import Check
from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("doctor", exits={1: "failure, or a check failed"})
@click.pass_obj
def command(face: Face) -> int:
    """Check what a repository stands on: store, disk, clock, left-over files, daemon, git, remotes, limits.

    The checks are independent, and none needs the repository to open. No content is read: mvc verify does that.
    """
    from mvc.api.care import doctor  # late: start-up

    checks = list(doctor())
    root = checks[0].detail
    if os.path.isdir(os.path.join(root, ".mvc")):  # not of a store without a workspace
        checks.append(_daemon(root))
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
            text.safe(c.detail) + (f"\n     help: {c.help}" if c.help else ""),
        )
        for c in checks
        if not (face.quiet and c.ok)
    ]
    face.answer(document, text.table(rows))
    return 0 if ok else 1


def _daemon(root: str) -> Check:
    """Whether mvcd runs, is of this version, and looks after this workspace."""
    try:
        answer = daemon_client.ask("status", root=None)
    except DaemonError as error:
        if error.kind == "not-running":
            return Check(
                "daemon", True, "mvcd does not run: nothing is saved by itself", "mvc watch"
            )
        return Check("daemon", False, str(error), error.help or "mvcd stop && mvc watch")
    running = f"mvcd {answer['mvcd']} runs"
    if answer["mvcd"] != __version__:
        return Check("daemon", False, f"{running}, this is {__version__}", "mvcd stop && mvc watch")
    for workspace in answer["workspaces"]:
        if workspace["root"] == root:
            why = f": {workspace['why']}" if workspace["why"] else ""
            return Check("daemon", True, f"{running}, {workspace['state']}{why}")
    return Check("daemon", True, f"{running}, and does not save here by itself", "mvc watch")
