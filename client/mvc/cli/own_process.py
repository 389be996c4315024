"""What one command starts for itself alone: processes and directories, gone when it ends, however it ends."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from mvc.cli.signals import whole

END_SECONDS = 5.0
"""How long a process has to end by itself, before it is killed."""


class OwnProcess:
    """A module that runs beside us, at the head of a session of its own: a Ctrl-C is for us to hear.

    Where sessions are scheduled as groups (autogroup, the default of desktops), it also gets a share of the
    processor of its own. Its standard input is a pipe that ends with us: see tethered.py.
    """

    def __init__(
        self,
        module: str,
        *words: str,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvc.cli.tethered", module, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            pass_fds=pass_fds, start_new_session=True,
        )  # fmt: skip
        self._read = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def line(self, seconds: float) -> str | None:
        """The next line of its output, without its end; None when it ended. Raises TimeoutError."""
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._read:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    return None
                self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace")

    def said(self) -> str:
        """All that it wrote on its standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def last_said(self) -> str | None:
        """The last line of it, once it has ended."""
        self.end()
        lines = self.said().strip().splitlines()
        return lines[-1] if lines else None

    def kill(self) -> None:
        """At once; from any thread."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Certain: when it returns there is no such process, nor one of its session."""
        with whole():
            if self.runs:
                self._process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_SECONDS)
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        self.end()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()


@contextmanager
def own_process(
    module: str,
    *words: str,
    pass_fds: Sequence[int] = (),
) -> Iterator[OwnProcess]:
    """`python -m MODULE WORDS`, ended at the end."""
    process = OwnProcess(module, *words, pass_fds=pass_fds)
    try:
        yield process
    finally:
        with whole():
            process.close()


@contextmanager
def own_directory(prefix: str) -> Iterator[str]:
    """A temporary directory, removed at the end. Enter it with `signals.enter`."""
    path = tempfile.mkdtemp(prefix=prefix)
    try:
        yield path
    finally:
        with whole():
            shutil.rmtree(path, ignore_errors=True)
