"""A workspace among those on one store."""

from __future__ import annotations

from dataclasses import dataclass

from mvc.api.standing import Head


@dataclass(frozen=True, slots=True)
class Workspace:
    """One of the workspaces on a store.

    `root` is None where its place is not known; `there`: whether the directory still is it.
    """

    id: str
    root: str | None
    head: Head
    current: bool
    there: bool
