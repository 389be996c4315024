"""`mvcd admin`: the program `mvc` has these verbs, and is run in this process's place.

One set of verbs, screens and --json for both names; on a server people type either.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

VERBS = {
    "user": "list, add or remove users and services",
    "token": "list, make or revoke tokens",
    "grant": "say who has which role where",
    "protect": "rules for refs that bind every role",
    "repo": "list, make or unlist repositories",
    "quota": "bytes that a repository may hold, or a user push",
    "backup": "copy the server's directory, also while it serves",
    "copy": "copy the server's directory into a bucket, or back",
    "restore": "make a server's directory from a backup",
    "repair": "rebuild what is damaged, while no server runs",
}


def is_admin(arguments: Sequence[str]) -> bool:
    """Whether these are words for `mvc admin`."""
    return len(arguments) > 1 and arguments[0] == "admin" and arguments[1] in VERBS


def run(arguments: Sequence[str]) -> NoReturn:
    """Becomes `mvc ARGUMENTS`."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "mvc", *arguments])  # noqa: S606 - no shell is meant
