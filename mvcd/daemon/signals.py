"""Being told to end, by a signal or a thread, without ever missing it.

`threading.Event` does not do for signals: one that arrives just before the main thread goes to sleep in
`wait` only sets a flag, which nobody looks at before the next signal; 1 stop in 15 hung on a busy machine. So
the C handler writes a byte into a pipe (`signal.set_wakeup_fd`), and the main thread sleeps in select.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType


class Ending:
    """For the main thread, except `end`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for file in (self._reading, self._writing):
            os.set_blocking(file, False)
        self._ended = False

    def hear(self, *, hangups: bool = True) -> None:
        """SIGTERM and SIGINT end; a second one kills. Without `hangups`, SIGHUP does nothing: a server is sent
        it out of habit after a renewal of certificates, and looks at each handshake anyway."""

        def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            signal.signal(number, signal.SIG_DFL)
            self.end()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        if not hangups:
            signal.signal(signal.SIGHUP, lambda number, frame: None)  # noqa: ARG005
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def end(self) -> None:
        self._ended = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"\0")

    def wait(self, seconds: float | None) -> bool:
        """Sleeps for `seconds` or until something happens; whether it is the end."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        if ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reading, 64)
        return self._ended
