"""Damaged files kept beside what takes their place: `NAME.damaged-1`, `NAME.damaged-2`, ..."""

from __future__ import annotations

import os
import shutil

from mvcd.disk.sync import sync_directory


def keep_aside(path: str) -> str | None:
    """Gives a file a second name, so that it stays when another one is renamed to its place; that name, or None
    where there is no file. The same file is kept once, however often this is repeated.

    Raises OSError.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    number = 1
    while True:
        kept = f"{path}.damaged-{number}"
        try:
            os.link(path, kept)
        except FileExistsError:
            if os.path.samestat(os.stat(kept), status):
                return kept
            number += 1
            continue
        except OSError:  # a file system without hard links
            shutil.copy2(path, kept)
        sync_directory(os.path.dirname(path))
        return kept
