"""What is durable when a call returns: a file's bytes, a directory's names, everything.

A name is durable by a sync of its directory only (fsync(2), section "Notes").
"""

from __future__ import annotations

import os
from collections.abc import Collection

SYNC_EACH_FILES = 256
"""Files or directories that are synced one by one; a sync of everything costs less than more of them."""


def sync_file(file: int) -> None:
    """Makes the bytes of an open file durable. Raises OSError."""
    os.fsync(file)


def sync_directory(path: str) -> None:
    """Makes the names in a directory durable. Raises OSError."""
    _sync_directory(path)


def sync_everything() -> None:
    """Makes durable all that was written to any file system."""
    os.sync()


def sync_files(paths: Collection[str]) -> None:
    """Makes the bytes of these files durable; symbolic links have none, their text is durable with their name.
    Raises OSError."""
    if len(paths) > SYNC_EACH_FILES:
        sync_everything()
        return
    for path in paths:
        if not os.path.islink(path):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                sync_file(file)
            finally:
                os.close(file)


def sync_directories(paths: Collection[str]) -> None:
    """Makes the names in these directories durable; those that are gone have none. Raises OSError."""
    if len(paths) > SYNC_EACH_FILES:
        sync_everything()
        return
    for path in paths:
        try:
            alone = _sync_directory(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not alone:
            return


def _sync_directory(path: str) -> bool:
    """Whether it was synced alone: one that may be written and not be listed cannot be opened, so everything
    is synced instead."""
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        sync_everything()
        return False
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
