"""A daemon for one command alone: in directories of its own, gone when the command ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mvc import daemon_client
from mvc.api.errors import DaemonError

_PLACES = ("MVC_RUNTIME_DIR", "MVC_STATE_DIR")
SAVE_SECONDS = 60.0
"""How long a save may take; the demo's take a tenth of a second."""


@contextmanager
def own_daemon() -> Iterator[daemon_client.Connection]:
    """Starts mvcd beside the person's own, which sees nothing of it; yields a connection that tells of saves.

    This process talks to the new one meanwhile: it goes by the environment. Raises DaemonError when it does
    not start.
    """
    before = {name: os.environ.get(name) for name in _PLACES}
    with tempfile.TemporaryDirectory(prefix="mvcd-") as directory:
        os.environ.update({name: os.path.join(directory, name.lower()) for name in _PLACES})
        try:
            daemon_client.ensure_running()
            with daemon_client.Connection(timeout=SAVE_SECONDS) as events:
                events.ask("follow")
                yield events
        finally:
            with suppress(DaemonError):
                daemon_client.ask("stop")
            _restore(before)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
