"""Clients of a tracking server that log artifacts at once, each a process, on a machine without mvc.

python mlflow_clients.py URI CLIENTS COUNT prints the ids of their runs, as JSON.
"""

from __future__ import annotations

import importlib.abc
import json
import multiprocessing
import sys
from collections.abc import Sequence
from typing import Any

HOME = ("mvc", "mvcd")


class NotInstalled(importlib.abc.MetaPathFinder):
    """Imports nothing of mvc."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name.partition(".")[0] in HOME:
            raise ModuleNotFoundError(f"No module named {name!r}")


def log(uri: str, client: int, count: int) -> str:
    """Logs `count` artifacts, each with a text of its own, and answers the run's id."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    with mlflow.start_run() as run:
        for number in range(count):
            mlflow.log_text(f"{client} {number}", f"{number}.txt")
    return str(run.info.run_id)


if __name__ == "__main__":
    sys.meta_path.insert(0, NotInstalled())
    import mlflow  # noqa: F401  # once, before the processes

    uri, clients, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        jobs = [(uri, client, count) for client in range(clients)]
        runs = pool.starmap(log, jobs, chunksize=1)
    assert not set(HOME) & set(sys.modules)
    print(json.dumps(runs))
