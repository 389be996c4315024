"""What is not saved by itself, because it looks like an accident: only a person can say that it is meant."""

from __future__ import annotations

import os
from collections.abc import Collection

from mvcd.errors import Failure
from mvcd.repo.core.core import Core
from mvcd.repo.workspace.scan import Scan


def refuse_emptiness(core: Core, scan: Scan, gone: Collection[str]) -> None:
    """A disk that went away, or a slip of the hand, must not become a version of nothing."""
    if not gone:
        return
    version, out = core.version(core.head().version), core.left_out()
    files = sum(root.files for c, root in version.components.items() if c not in out)
    if files and not scan.candidates and len(gone) >= files:
        raise Failure(
            "every file is gone; if that is meant, save it with mvc commit", kind="held-back"
        )
    for tracked in core.tracked():
        lost = any(p.startswith(tracked + "/") for p in gone)
        if lost and not os.path.lexists(os.path.join(core.root, tracked)):
            raise Failure(
                f"{tracked} is gone; if that is meant, save it with mvc commit", kind="held-back"
            )


def refuse_interrupted_checkout(core: Core) -> None:
    """A checkout that died between its renames left files of two versions; only a person can say what to do.

    It leaves its staging directory behind. Any later operation (the same command run again, a commit, an
    undo) settles the matter.
    """
    staging = core.place.staging
    try:
        if not os.listdir(staging):
            return
        died_us = os.stat(staging).st_mtime_ns // 1000
    except OSError:
        return
    last = next(core.operations(), None)
    if last is not None and last.time_us > died_us:
        return
    with core.lock.hold():  # Busy: it is alive
        if os.path.isdir(staging):
            raise Failure(
                "a checkout was interrupted: the files may be of two versions",
                kind="interrupted-checkout",
                help="run it again, or save the files as they are with mvc commit",
            )
