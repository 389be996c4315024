"""What is below a directory, without rules and without a cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

Refused = Callable[[str, OSError], None]
"""Told a directory that cannot be listed (its path from the root) and why; may raise."""


def _raise(_: str, error: OSError) -> None:
    raise error


def entries_below(root: str, refused: Refused = _raise) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below `root` but directories, by path from it, with '/'; follows no link. Raises OSError."""
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            with os.scandir(os.path.join(root, inside)) as found:
                for entry in found:
                    path = f"{inside}/{entry.name}" if inside else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    else:
                        yield path, entry
        except OSError as error:
            refused(inside, error)


def paths_below(root: str, refused: Refused = _raise) -> Iterator[str]:
    """The same, by path alone."""
    return (path for path, _ in entries_below(root, refused))
