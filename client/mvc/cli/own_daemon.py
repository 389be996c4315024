"""A daemon for one command alone: in directories of its own, gone when the command ends."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from mvc import daemon_client
from mvc.api.errors import DaemonError
from mvc.cli.own_process import OwnProcess, own_directory, own_process
from mvc.cli.signals import enter, whole

_PLACES = ("MVC_RUNTIME_DIR", "MVC_STATE_DIR")
START_SECONDS = 20.0
"""How long it may take to come: half a second on an idle machine."""
SAVE_SECONDS = 20.0
"""How long a save may take; the demo's take a tenth of a second."""


@contextmanager
def own_daemon() -> Iterator[OwnProcess]:
    """Starts mvcd beside the person's own, which sees nothing of it; yields its process.

    This process talks to the new one meanwhile: it goes by the environment. Raises DaemonError when it does
    not start.
    """
    if daemon_client.forbidden():
        raise DaemonError("MVC_NO_DAEMON is set", kind="not-running")
    with ExitStack() as stack:
        directory = enter(stack, own_directory("mvcd-"))
        places = {name: os.path.join(directory, name.lower()) for name in _PLACES}
        enter(stack, _environment(places))
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        try:
            process = enter(
                stack,
                own_process(
                    "mvcd.daemon",
                    "run",
                    "--awaited",
                    "--ready-fd",
                    str(writing),
                    pass_fds=(writing,),
                ),
            )
        finally:
            os.close(writing)
        _await(process, reading)
        yield process


def _await(process: OwnProcess, reading: int) -> None:
    ready, _, _ = select.select([reading], [], [], START_SECONDS)
    if not ready:
        raise DaemonError(f"mvcd did not start within {START_SECONDS:g} s", kind="not-started")
    if not os.read(reading, 1 << 12).startswith(b"ready"):
        process.end()
        raise daemon_client.not_started(process.said())


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        with whole():
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
