"""Pushes after automatic saves, in the background: one child process `mvc push REMOTE` at a time per workspace.

A child, so that the daemon loads no gRPC and a push that hangs can be ended. The store itself is the queue:
what is to be sent follows from refs, so saves during a push become one more push after it, and a daemon that
starts anew pushes once, whatever it forgot. `watch.push` in `.mvc/config.toml` names the remote; like the
command hook it does not travel with versions.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from mvcd.errors import MvcError
from mvcd.repo.core.location import Location

SETTING = "watch.push"
FIRST, MOST = 5.0, 600.0
"""Seconds until a remote that did not answer is tried again, doubled up to the second."""
AGAIN = frozenset({11, 13})
"""Exit codes worth another try by itself: somebody holds the workspace; the remote does not answer."""


class RunningPush(Protocol):
    def communicate(self) -> tuple[int, bytes]:
        """(exit code, what it said on stderr), when it has ended."""

    def end(self) -> None:
        """Ends it and what it started (ssh)."""


Start = Callable[[str, str], RunningPush]
"""Starts a push of a workspace root to a remote."""


class PushProcess:
    """A running `mvc push`, at the head of a process group of its own; the session stays the daemon's, for the
    kernel groups priorities by session."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def communicate(self) -> tuple[int, bytes]:
        errors = self._process.communicate()[1]
        return self._process.returncode, errors

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)


def start_push(root: str, remote: str) -> PushProcess:
    """Raises OSError when there is no such directory, or no process is to be had."""
    # -P: the workspace is the current directory, and a random.py that somebody pulled into it must not be ours.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mvc", "--quiet", "--no-progress", "push", remote],
        cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"}, process_group=0,
    )  # fmt: skip
    return PushProcess(process)


@dataclass(slots=True)
class _Outcome:
    """What came of the last push, for the status."""

    state: str  # "pushing", "pushed", "waiting", "refused"
    remote: str
    number: int = 0
    time_us: int = 0
    why: str = ""


class Pushing:
    """The pushes of one workspace. `want` is cheap and may come from any thread."""

    def __init__(
        self,
        root: str,
        *,
        start: Start = start_push,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._root = root
        self._start = start
        self._clock = clock
        self._jitter = jitter
        self._changed = threading.Condition()
        self._wanted: int | None = None
        self._due = 0.0
        self._pause = FIRST
        self._child: RunningPush | None = None
        self._outcome: _Outcome | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def want(self, number: int = 0) -> None:
        """Asks for a push of what is there, version `number` the newest (0: not known)."""
        with self._changed:
            if self._closed or self.remote() is None:
                return
            if self._wanted is None:
                self._due, self._pause = self._clock(), FIRST
            self._wanted = number  # where the remote is away, a save does not shorten the wait
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="push", daemon=True)
                self._thread.start()

    def remote(self) -> str | None:
        """The remote to push to, as set now."""
        try:
            return Location(self._root).config().get(SETTING)
        except MvcError:
            return None  # a config that cannot be read is reported where it is needed

    def report(self) -> dict[str, Any] | None:
        """For the status; None where nothing was ever pushed."""
        with self._changed:
            if self._outcome is None or self.remote() is None:
                return None
            told = self._outcome
            left = max(0.0, self._due - self._clock()) if told.state == "waiting" else None
            return {
                "state": told.state, "remote": told.remote, "number": told.number,
                "time_us": told.time_us, "why": told.why, "next_seconds": left,
            }  # fmt: skip

    def close(self) -> None:
        """Ends a push that runs; the next daemon goes on with it."""
        with self._changed:
            self._closed = True
            if self._child is not None:
                self._child.end()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(5.0)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while (task := self._next()) is not None:
            number, remote, child = task
            code, errors = child.communicate()
            with self._changed:
                self._child = None
                self._ended(number, remote, code, errors)

    def _next(self) -> tuple[int, str, RunningPush] | None:
        """Waits until a push is due and starts it."""
        with self._changed:
            while not self._closed:
                left = self._due - self._clock()
                remote = self.remote()
                if self._wanted is not None and remote is not None and left <= 0:
                    number, self._wanted = self._wanted, None
                    try:
                        self._child = self._start(self._root, remote)
                    except OSError as error:
                        self._outcome = _Outcome("refused", remote, number, why=str(error))
                        continue
                    self._outcome = _Outcome("pushing", remote, number)
                    return number, remote, self._child
                self._changed.wait(None if self._wanted is None or left <= 0 else left)
            return None

    def _ended(self, number: int, remote: str, code: int, errors: bytes) -> None:
        if code == 0:
            now = time.time_ns() // 1000
            self._outcome, self._pause = _Outcome("pushed", remote, number, now), FIRST
            return
        why = _first_line(errors) or f"mvc push ended with {code}"
        if number == 0 and "nothing to push" in why:
            self._outcome = None  # before the first version
            return
        self._outcome = _Outcome("waiting" if code in AGAIN else "refused", remote, number, 0, why)
        if code in AGAIN and self._wanted is None:
            self._wanted = number
            self._due = self._clock() + self._pause * (0.75 + self._jitter() / 2)
            self._pause = min(MOST, 2 * self._pause)


def _first_line(errors: bytes) -> str:
    lines: Sequence[str] = errors.decode("utf-8", "replace").splitlines()
    told = next((line for line in lines if line.startswith("error: ")), lines[0] if lines else "")
    return told.removeprefix("error: ")[:300]
