"""The reader process (reader.py) as the daemon sees it: started when there is work, fed, lifted, ended.

One for all workspaces, so that two saves do not compete; roots are served in the order in which they asked.
When none has asked for a while their repositories are tended (resting.py); who asks then ends that.
A reader that dies is started again; what it was at is read again, for a capture stays until it is a version.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mvcd.daemon import priority
from mvcd.daemon.resting import Rests
from mvcd.errors import with_cause
from mvcd.store.apart import Died, death

log = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
"""How long a reader without work is kept: a start costs 0.15 s, a reader 50 MB."""

LATE_SECONDS = 5.0
"""Seconds after which what was taken should be a version."""

_STARVED_SHARE = 0.5
"""Processor seconds a second below which a reader of something late does not get what it could use."""

_GLANCE_SECONDS = 1.0
_RETRY, _MAX_RETRY = 1.0, 60.0
_END_SECONDS = 600.0
_PROGRAM = ("-P", "-m", "mvcd.daemon", "read")

Heard = Callable[[Mapping[str, Any]], None]


class _Task(NamedTuple):
    """`root` is "" when a reader has just been started for what will come."""

    root: str
    since: float
    rest: bool = False


class Reading:
    """`want`, `rest`, `forget` and `warm` are cheap and may come from any thread; `heard` is called by a thread
    of its own."""

    def __init__(
        self,
        heard: Heard,
        *,
        awaited: bool = False,
        clock: Callable[[], float] = time.monotonic,
        loaded: Callable[[], bool] = priority.loaded,
    ) -> None:
        """`awaited`: the reader is as important as any program from the start."""
        self._heard = heard
        self._awaited = awaited
        self._clock = clock
        self._changed = threading.Condition()
        self._wanted: dict[str, float] = {}
        self._rests = Rests()
        self._loaded = loaded
        self._tending = False
        self._warm_until = float("-inf")
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._lifted = False
        self._pause = 0.0
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)
        self._thread.start()

    def want(self, root: str, since: float) -> None:
        """Something of `root`, taken at `since`, is to be read."""
        with self._changed:
            self._wanted.setdefault(root, since)
            self._rests.worked(root, self._clock())
            self._disturb()
            self._changed.notify_all()

    def rest(self, root: str) -> None:
        """The repository of `root` is tended from now on, when there is nothing to do."""
        with self._changed:
            self._rests.add(root, self._clock())
            self._changed.notify_all()

    def forget(self, root: str) -> None:
        with self._changed:
            self._rests.forget(root)

    def warm(self) -> None:
        """Starts a reader ahead of work that will come soon: a start takes long on a busy machine."""
        with self._changed:
            self._warm_until = self._clock() + KEPT_SECONDS
            self._rests.disturbed(self._clock())
            self._disturb()
            self._changed.notify_all()

    def _disturb(self) -> None:
        """Has the reader end what nobody waits for."""
        if self._tending and self._process is not None and self._process.stdin is not None:
            self._tending = False
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def close(self) -> None:
        """Waits for the capture under way; the others stay for the next daemon."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
        self._thread.join(_END_SECONDS)

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                done = not task.root or self._serve(task)
            except OSError as error:
                self._heard(
                    {
                        "root": task.root,
                        "state": "failed",
                        "message": f"the reader did not start: {error}",
                    }
                )
                done = False
            if done:
                self._pause = 0.0
            elif task.rest:
                self._rested(task.root, left=False)
            else:
                self._again(task.root, task.since)
        self._end()

    def _next(self) -> _Task | None:
        with self._changed:
            while not self._closed:
                if self._wanted:
                    first = next(iter(self._wanted))
                    return _Task(first, self._wanted.pop(first))
                now = self._clock()
                if self._process is None and now < self._warm_until:
                    with contextlib.suppress(OSError):
                        self._start()
                    return _Task("", now)
                root = None if self._awaited else self._rests.next(now, self._loaded)
                if root is not None:  # a reader that yields to nobody has no business there
                    return _Task(root, float("inf"), rest=True)
                if self._process is not None and now >= self._warm_until:
                    self._end()
                ends = self._warm_until if now < self._warm_until else float("inf")
                wake = ends if self._awaited else min(ends, self._rests.wake)
                self._changed.wait(None if wake == float("inf") else max(0.0, wake - now))
            return None

    def _rested(self, root: str, *, left: bool) -> None:
        with self._changed:
            self._rests.rested(root, self._clock(), left=left)

    def _again(self, root: str, since: float) -> None:
        self._pause = min(_MAX_RETRY, max(_RETRY, 2 * self._pause))
        with self._changed:
            self._wanted.setdefault(root, since)
            self._changed.wait_for(lambda: self._closed, self._pause)

    def _serve(self, task: _Task) -> bool:
        """Whether all of it was read. Tells what comes in."""
        root, since = task.root, task.since
        process = self._process if self._process is not None else self._start()
        assert process.stdin is not None and process.stdout is not None
        before = priority.processor_seconds(process.pid) or 0.0
        began = self._clock()
        failed = False
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({"root": root, "rest": task.rest}).encode() + b"\n")
            process.stdin.flush()
        while True:
            line = self._line(process.stdout.fileno())
            if line is None:
                if self._starves(process, since, began, before) and not self._lift(process):
                    return False
                continue
            if not line:
                self._end()
                if not self._closed:
                    self._died(root, process.returncode)
                return False
            told = json.loads(line)
            if told["state"] == "idle":
                with self._changed:
                    self._tending = False
                if task.rest:
                    self._rested(root, left=told["left"])
                self._warm_until = self._clock() + KEPT_SECONDS
                if self._lifted:
                    self._end()  # what comes next is not late
                return not failed
            if told["state"] == "tending":  # all is read: from now on there is no hurry
                since = float("inf")
                with self._changed:
                    self._tending = True
                    if self._wanted or self._closed:
                        self._disturb()
                continue
            failed = told["state"] == "failed"
            self._heard(told)
            began = self._clock()
            since = since if since == float("inf") else began
            before = priority.processor_seconds(process.pid) or 0.0

    def _died(self, root: str, code: int) -> None:
        """What damage ends is told to who looks at the workspace: the next reader will end of it too."""
        error = death(code)
        why = "; ".join(filter(None, (with_cause(error), error.help)))
        log.warning("the reader of %s ended, and is started again: %s", root, why)
        if isinstance(error, Died):
            self._heard({"root": root, "state": "failed", "message": why})

    def _line(self, fd: int) -> bytes | None:
        """A line of the reader's; empty at its end, None if none came for a moment."""
        while b"\n" not in self._unread:
            ready, _, _ = select.select([fd], [], [], _GLANCE_SECONDS)
            if not ready:
                return None
            data = os.read(fd, 1 << 16)
            if not data:
                return b""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    # ---------------------------------------------------------------- the process

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = ["--lifted"] if self._lifted or self._awaited else []
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, *_PROGRAM, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=-1,
        )  # fmt: skip
        return self._process

    def _starves(
        self, process: subprocess.Popen[bytes], since: float, began: float, before: float
    ) -> bool:
        now = self._clock()
        if (
            self._lifted
            or self._awaited
            or now - since < LATE_SECONDS
            or now - began < 2 * _GLANCE_SECONDS
        ):
            return False
        used = priority.processor_seconds(process.pid)
        return used is not None and used - before < _STARVED_SHARE * (now - began)

    def _lift(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether the process goes on, more important than before. Else it was ended for one that is."""
        self._lifted = True
        if priority.lift(process.pid):
            return True
        process.send_signal(signal.SIGKILL)  # what it stored is found by the next one
        self._end(lifted=True)
        return False

    def _end(self, *, lifted: bool = False) -> None:
        with self._changed:
            process, self._process = self._process, None
            self._tending = False
        self._lifted = lifted
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
