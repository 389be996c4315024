"""Paths of a workspace: relative, with '/'."""

from __future__ import annotations

from collections.abc import Iterator


def directories_above(path: str) -> Iterator[str]:
    """The directories in which a path lies, from the top; not the root."""
    return (path[:at] for at, character in enumerate(path) if character == "/")
