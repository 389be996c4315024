"""Child processes of the store's tests, by fork: starting an interpreter would cost ten times more."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import traceback
from collections.abc import Callable


class Child:
    """Runs `work(report)` in a forked process; what it reports are lines the parent can wait for."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(reader)
            _run(work, writer)
        os.close(writer)
        self._lines = os.fdopen(reader, encoding="utf-8")

    def line(self) -> str:
        """The next report; "" when the child has ended."""
        return self._lines.readline().rstrip("\n")

    def wait_for_more(self, seconds: float) -> None:
        """Until it reports something or ends, at most so long."""
        select.select([self._lines], [], [], seconds)

    def kill(self) -> list[str]:
        """Ends it now; the reports not yet read."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end()[1]

    def end(self) -> tuple[int, list[str]]:
        """Waits for the end; (exit status, negative for a signal; reports not yet read)."""
        with self._lines:
            rest = self._lines.read().splitlines()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), rest


def _run(work: Callable[[Callable[[str], None]], None], pipe: int) -> None:
    status = 1
    faulthandler.disable()  # deaths are expected here
    try:
        work(lambda text: (os.write(pipe, f"{text}\n".encode()), None)[1])
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
