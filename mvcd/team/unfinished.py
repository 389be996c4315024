"""Roots that a copy has begun and not finished: nobody serves them, nobody changes them (COPY.md)."""

from __future__ import annotations

import shlex

from mvcd.errors import Failure
from mvcd.store.api import Store

COPYING = "copying/"
"""Begins the names of refs that an unfinished root's accounts have besides."""
COPIED_FROM = f"{COPYING}from"
"""The ref whose value is the address of the root that is copied."""


def require_finished(accounts: Store, path: str) -> None:
    """Raises Failure(kind="unfinished-copy") for the accounts of a root that is no copy yet, after closing
    them."""
    source = accounts.ref(COPIED_FROM)
    if source is None:
        return
    accounts.close()
    origin = source.decode(errors="replace")
    raise Failure(
        f"{path} is a copy that is not finished",
        kind="unfinished-copy",
        cause=f"copying {origin} was cut short, or is at work still",
        help=f"mvc admin copy {shlex.quote(origin)} {shlex.quote(path)}",
    )
