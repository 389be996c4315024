"""Room on a disk, looked at before much is written: sizes are claims of whoever made a version."""

from __future__ import annotations

import os

from mvcd.disk.refusals import ROOM
from mvcd.errors import Failure

RESERVE_BYTES = 64 << 20
"""Bytes that a server leaves free: refs, the audit log and a collection need some."""


def free_bytes(path: str) -> int | None:
    """For whoever is not root, on the file system that holds `path`; None where it does not tell."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def require_room(path: str, size: int, what: str, *, reserve: int = 0) -> None:
    """Raises Failure(kind="disk-full") when `size` bytes more do not fit beside `reserve`."""
    free = free_bytes(path)
    if free is not None and size + reserve > free:
        raise Failure(
            f"there is no room for {what}",
            kind="disk-full",
            cause=f"it takes {size:,} bytes, and {max(0, free - reserve):,} are free at {path}",
            help=ROOM,
        )
