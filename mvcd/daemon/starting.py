"""Starting the daemon in the background: until it serves, or it is known why it does not.

The child says "ready" through a pipe once it serves; else it writes there what `mvcd` says of an error (lines
"error: ...", "cause: ...", "help: ..."), for a full disk has no room for a log. The pipe ends when the child
does, so a slow child is never taken for a dead one.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mvcd.daemon.config import DaemonPaths
from mvcd.disk.refusals import is_disk_full
from mvcd.errors import DaemonError, MvcError
from mvcd.waiting import Waiting

START_SECONDS = 120.0
"""How long a child that lives may take: 0.5 s on an idle machine, 3 s beside 32 busy processes on 2 cores, and
more where imports come from a slow disk."""
ANSWER_SECONDS = 10.0
END_SECONDS = 5.0
OTHER_SECONDS = 2.0
"""How long another daemon that holds the lock is given to answer, before it is tried again to start one."""

READY = b"ready\n"
BUSY = 11
"""What `mvcd run` ends with where another daemon holds the lock."""
FOREGROUND = "mvcd run  (in the foreground, to see why)"
ROOM = "make room on that disk, then run it again"
_LABELS = ("error: ", "cause: ", "help: ")

Lines = list[tuple[str, str]]


def lines_of(error: MvcError | OSError) -> Lines:
    """What to say of an error: labels and texts."""
    if isinstance(error, OSError):
        room = [("help", ROOM)] if is_disk_full(error) else []
        return [("error", reason(error)), *room]
    found = (("error", str(error)), ("cause", error.cause), ("help", error.help))
    return [(label, text) for label, text in found if text]


def reason(error: OSError) -> str:
    """The system's words, with the file they are about if it is known."""
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"{error.filename}: {why}" if isinstance(error.filename, str) else why


def ask(places: DaemonPaths, verb: str) -> dict[str, Any] | None:
    """One request to the running daemon; None when there is none. Raises DaemonError when it is silent."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(places.socket)
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] | None = json.loads(lines.readline() or b"null")
    except TimeoutError:
        raise DaemonError(
            "mvcd does not answer",
            kind="no-answer",
            cause=f"{_holder(places)} was silent for {ANSWER_SECONDS:g} s",
            help="try again, or end that process",
        ) from None
    except (OSError, ValueError):
        return None
    return answer


def start(places: DaemonPaths) -> dict[str, Any]:
    """Starts a daemon, unless one that starts beside us is quicker; answers what it says to "hello".

    Raises DaemonError with the cause; nothing that was started is left then.
    """
    end = time.monotonic() + START_SECONDS
    with Waiting("mvcd to start"):
        found = _answer(places, end) if _spawn(places, end) else _other(places, end)
    if found is None:
        raise DaemonError(
            "mvcd did not start",
            kind="not-started",
            cause=f"{_holder(places)} holds {places.lock}, and did not answer for {START_SECONDS:g} s",
            help=f"end that process, then mvcd start (its log is {places.log})",
        )
    return found


def _other(places: DaemonPaths, end: float) -> dict[str, Any] | None:
    """What a daemon that holds the lock says; should it end first, ours is started after all."""
    while time.monotonic() < end:
        found = _answer(places, min(end, time.monotonic() + OTHER_SECONDS))
        if found is not None:
            return found
        try:
            if _spawn(places, end):
                return _answer(places, end)
        except DaemonError:
            if time.monotonic() < end:
                raise  # else it is told who holds the lock
    return None


@contextmanager
def telling(fd: int | None) -> Iterator[Callable[[], None]]:
    """For the child: yields what to call once it serves. What is raised before goes into the pipe too."""
    told = fd is None

    def say(said: bytes) -> None:
        nonlocal told
        if not told and fd is not None:
            told = True
            with suppress(OSError):  # whoever started us no longer listens
                os.write(fd, said)
            os.close(fd)

    try:
        yield lambda: say(READY)
    except (MvcError, OSError) as error:
        say("".join(f"{label}: {text}\n" for label, text in lines_of(error)).encode())
        raise


def _answer(places: DaemonPaths, end: float) -> dict[str, Any] | None:
    """Of a daemon that serves, or soon will."""
    while True:
        with suppress(DaemonError):
            found = ask(places, "hello")
            if found is not None:
                return found
        if time.monotonic() >= end:
            return None
        time.sleep(0.05)


def _spawn(places: DaemonPaths, end: float) -> bool:
    """Starts `mvcd run` in a session of its own and waits until it serves; False where another holds the lock.

    Raises DaemonError."""
    reading, writing = os.pipe()
    errors = f"{places.log}.start"
    try:
        with open(errors, "wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "mvcd.daemon", "run", "--ready-fd", str(writing)],
                pass_fds=(writing,), start_new_session=True, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file,
            )  # fmt: skip
    except OSError as error:
        os.close(reading)
        raise not_started(reason(error)) from None
    finally:
        os.close(writing)
    served = False
    try:
        said = _read_until(reading, end)
        served = said == READY
        if not served and said is not None and child.wait() == BUSY:
            return False
    finally:
        os.close(reading)
        if not served:
            _end(child)
    if said is None:
        raise not_started(f"it was still starting after {START_SECONDS:g} s, and was ended")
    if not served:
        raise not_started(said.decode("utf-8", "replace") or _content(errors))
    return True


def _read_until(fd: int, end: float) -> bytes | None:
    """What the child says before it closes the pipe, or ends; None when it is too late."""
    said = b""
    while True:
        ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return None
        piece = os.read(fd, 1 << 12)
        if not piece:
            return said
        said += piece


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def not_started(said: str) -> DaemonError:
    """The error, with the cause from what a child said: its labelled lines; of anything else, a traceback above
    all, the last line."""
    lines = [line for line in said.splitlines() if line.strip()]
    found = dict(line.split(": ", 1) for line in lines if line.startswith(_LABELS))
    why = [found[label] for label in ("error", "cause") if label in found]
    return DaemonError(
        "mvcd did not start",
        kind="not-started",
        cause=": ".join(why) or (lines[-1].strip() if lines else "it ended without a word"),
        help=found.get("help", FOREGROUND),
    )


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _holder(places: DaemonPaths) -> str:
    pid = _content(places.lock).strip()
    return f"process {pid}" if pid else "a process"
