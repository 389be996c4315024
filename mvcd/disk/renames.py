"""Moves of a name: what was at the new one is replaced, as rename(2) does it."""

from __future__ import annotations

import os

from mvcd.disk.sync import sync_directories


def move(old: str, new: str) -> None:
    """Moves a file or directory within one file system, in one step. The step is durable once the directories
    of both names are synced. Raises OSError."""
    os.replace(old, new)


def move_durably(old: str, new: str) -> None:
    """Moves it, and makes the step durable. Raises OSError."""
    move(old, new)
    sync_directories({os.path.dirname(old) or ".", os.path.dirname(new) or "."})
