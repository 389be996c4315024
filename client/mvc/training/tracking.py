"""Puts what a training writes under care, so that versions have it. Loads the engine when it is called."""

from __future__ import annotations

import glob
import os

from mvc.training.values import workspace_of


def keep(*paths: str) -> None:
    """Tracks paths of a workspace, and the metrics and settings that are logged there; nothing outside of one.

    Raises MvcError, among others of a path that is in no workspace while the first is.
    """
    root = workspace_of(paths[0])
    if root is None:
        return
    from mvc.api.repo import Repo  # late: start-up

    logged = [
        os.path.join(root, "params.json"),
        *glob.glob(os.path.join(glob.escape(root), "metrics*.json*")),
    ]
    repo = Repo.open(root)
    try:
        repo.add(*(os.path.abspath(path) for path in (*paths, *logged) if os.path.lexists(path)))
    finally:
        repo.close()
