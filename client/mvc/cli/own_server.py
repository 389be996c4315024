"""A server for one command alone: on a port of loopback that the system chooses, gone when the command ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mvc.api.errors import DaemonError
from mvc.cli.own_process import OwnProcess, own_process
from mvc.cli.signals import enter

START_SECONDS = 20.0
"""How long it may take to come: half a second on an idle machine."""


class OwnServer:
    """`url` is its address."""

    def __init__(self, process: OwnProcess, url: str) -> None:
        self.url = url
        self._process = process

    def end(self) -> None:
        """Certain: what it served is no longer in its hands when this returns."""
        self._process.end()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Kills it after `seconds`, so that no call to it takes longer: the call fails then."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def own_server(repository: str) -> Iterator[OwnServer]:
    """Serves a repository, workspace or bare, and takes pushes. Raises DaemonError."""
    with ExitStack() as stack:
        words = ("serve", "--workspace", repository, "--write", "--listen", "127.0.0.1:0")
        process = enter(stack, own_process("mvcd.daemon", *words))
        try:
            line = process.line(START_SECONDS)
        except TimeoutError:
            raise DaemonError(
                f"mvcd serve did not start within {START_SECONDS:g} s", kind="not-started"
            ) from None
        if line is None:
            raise DaemonError(
                "mvcd serve did not start", kind="not-started", cause=process.last_said()
            )
        yield OwnServer(process, line.rpartition(": ")[2])
