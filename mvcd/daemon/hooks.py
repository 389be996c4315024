"""What happens after a save: whoever is to know is told, in a thread of its own, in order, one at a time.

A hook is any callable that takes a `SavedVersion`. The command hook is built in; pushing is pushing.py's. A
slow or failing hook delays other hooks, never a save.

The command is read from `.mvc/config.toml` (`watch.hook`), which does not travel with versions: a table in
the versioned `mvc.toml` would run a stranger's command on whoever pulls and watches.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

COMMAND_SECONDS = 600.0
_WAITING_SAVES = 1000
"""Saves whose hooks have not run yet; beyond, the oldest are dropped, and the log says so."""


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """One automatic version."""

    root: str
    version: str  # hex
    number: int
    branch: str
    message: str
    files: int
    bytes_changed: int
    bytes_stored: int
    seconds: float  # from the decision to the acknowledgement
    command: str | None = None


Hook = Callable[[SavedVersion], None]


def run_command(saved: SavedVersion) -> None:
    """The workspace's own command, by the shell, in its root; MVC_* variables say what was saved."""
    if not saved.command:
        return
    environment = {
        **os.environ,
        "MVC_ROOT": saved.root,
        "MVC_VERSION": saved.version,
        "MVC_NUMBER": str(saved.number),
        "MVC_BRANCH": saved.branch,
        "MVC_MESSAGE": saved.message,
    }
    done = subprocess.run(  # noqa: S602 - the shell is what the owner of the workspace asked for
        saved.command, shell=True, cwd=saved.root, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=COMMAND_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        tail = done.stdout.decode("utf-8", "replace").strip()[-500:]
        log.warning("%s: the hook ended with %d: %s", saved.root, done.returncode, tail)


class Hooks:
    """Runs hooks after saves. `close` lets the one that runs finish."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)
        self._queue: queue.Queue[SavedVersion | None] = queue.Queue(_WAITING_SAVES)
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
        self._thread.start()

    def saved(self, saved: SavedVersion) -> None:
        while True:
            try:
                self._queue.put_nowait(saved)
                return
            except queue.Full:
                dropped = self._queue.get_nowait()
                if dropped is not None:
                    log.warning("%s: no hook ran for v%d", dropped.root, dropped.number)

    def close(self, seconds: float = 5.0) -> None:
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (saved := self._queue.get()) is not None:
            for hook in self._hooks:
                try:
                    hook(saved)
                except Exception:
                    log.exception("%s: a hook failed after v%d", saved.root, saved.number)
