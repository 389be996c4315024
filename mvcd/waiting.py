"""What a person is told while a program waits: a line that goes away on a terminal, one line elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

SOON_SECONDS = 0.5
"""Seconds after which a terminal shows it: what is quicker would only flicker."""
LATE_SECONDS = 5.0
"""Seconds after which it is worth a line that stays."""


class Waiting:
    """`with Waiting("mvcd to start"):` tells "waiting for mvcd to start ... 12 s" on stderr while it lasts.

    A thread draws, so that any call may be waited for; a program that waits for nothing long shows nothing.
    A stream that cannot be written is let be. With `shown` false nothing is ever written.
    """

    def __init__(self, what: str, *, shown: bool = True, stream: TextIO | None = None) -> None:
        self._what = what
        self._shown = shown
        self._stream = stream or sys.stderr
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._shown and self._stream is not None:
            self._thread = threading.Thread(target=self._tell, name="waiting", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(1.0)  # a terminal that was stopped (Ctrl-S) must not hold us

    def _tell(self) -> None:
        began = time.monotonic()
        with suppress(OSError, ValueError):
            if not (self._stream.isatty() and os.environ.get("TERM") != "dumb"):
                if not self._done.wait(LATE_SECONDS):
                    self._write(f"{self._line(began)}\n")
                return
            drawn, pause = False, SOON_SECONDS
            while not self._done.wait(pause):
                self._write(f"\r{self._line(began)}\x1b[K")
                drawn, pause = True, 1.0
            if drawn:
                self._write("\r\x1b[K")

    def _line(self, began: float) -> str:
        return f"waiting for {self._what} ... {time.monotonic() - began:.0f} s"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
