"""Directories that are there after a power failure; the group's where the one above is (group.py)."""

from __future__ import annotations

import os

from mvcd.disk.group import is_shared, share_directory
from mvcd.disk.sync import sync_directory


def make_directories(path: str, mode: int = 0o777) -> None:
    """Makes directories like os.makedirs, for what may exist, and durably: the name of each new directory, and
    that of the last one in any case, since its maker may not have come so far. A new one is its group's if the
    one above is. Raises OSError."""
    path = os.path.abspath(path)
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_directories(parent, mode)
    try:
        os.mkdir(path, mode)
        if is_shared(parent):
            share_directory(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    sync_directory(parent)
