"""Work in a process of its own, for what may end the process that does it.

LMDB keeps no checksums and trusts its pages: a damaged one ends who reads it, with SIGABRT, SIGSEGV or SIGBUS.
Here that is a child, and its death becomes an error. It is a fresh interpreter and no fork: the caller may have
threads, and may have the index open.

The child is told `module`, `function` and arguments through its standard input, and writes pickled tuples to a
pipe: what it tells a monitor, rows as it finds them, then its answer or the error that it ended with.
"""

from __future__ import annotations

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import IO, Any

from mvcd.errors import Failure, IntegrityError, MvcError
from mvcd.monitor import Monitor, Silent

FAULTS = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""Signals by which the kernel or LMDB itself ends who reads damaged pages."""

EVERY_SECONDS = 0.05
Row = Callable[[Any], None]


class Teller:
    """What work done apart is given: a monitor whose calls reach the caller's, and `row`, which hands over what
    was found so far, so that it is not lost should the process end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._done = [0, 0, 0]
        self._told = 0.0

    def row(self, value: Any) -> None:
        self._tell("row", value)

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        self._tell("begin", (task, total_bytes, total_items))

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        self._tell("expect", (more_bytes, more_items))

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        """Told at most every EVERY_SECONDS seconds: it is called for each object, and a message costs 10 us."""
        for place, more in enumerate((bytes_done, items_done, bytes_new)):
            self._done[place] += more
        if time.monotonic() - self._told >= EVERY_SECONDS:
            self._catch_up()

    def _catch_up(self) -> None:
        done, self._done, self._told = tuple(self._done), [0, 0, 0], time.monotonic()
        if any(done):
            self._write("advance", done)

    def finish(self) -> None:
        self._tell("finish", None)

    def warn(self, message: str) -> None:
        self._tell("warn", message)

    def _tell(self, what: str, value: Any) -> None:
        self._catch_up()
        self._write(what, value)

    def _write(self, what: str, value: Any) -> None:
        pickle.dump((what, value), self._pipe)
        self._pipe.flush()


class Died(IntegrityError):
    """The child was ended by a fault: what it read is damaged."""

    default_kind = "index-damaged"


def apart(
    module: str,
    function: str,
    *arguments: Any,
    monitor: Monitor | None = None,
    row: Row = lambda _: None,
) -> Any:
    """What `module.function(teller, *arguments)` answers in a child. Arguments and answer can be pickled.

    Raises what it raises, Died when a fault ended it, Failure when something else did.
    """
    child = subprocess.Popen(
        # Names in UTF-8, as they are here (mvcd/process.py), whatever the locale says.
        [sys.executable, "-X", "utf8", "-P", "-m", "mvcd.store.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # LMDB prints a line before it aborts
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin as pipe:
            pickle.dump((module, function, arguments), pipe)
        answer = None
        for what, value in _messages(child.stdout):
            if what == "error":
                raise value
            if what == "answer":
                answer = (value,)
            elif what == "row":
                row(value)
            else:
                _pass_on(monitor or Silent(), what, value)
    finally:
        if child.stdout is not None:
            child.stdout.close()
        if sys.exc_info()[0] is not None:
            child.kill()
        child.wait()
    if answer is None:
        raise death(child.returncode)
    return answer[0]


def _messages(pipe: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Until the end; a message that a death cut short is none."""
    while True:
        try:
            yield pickle.load(pipe)  # noqa: S301 - our own child wrote it
        except (EOFError, pickle.UnpicklingError):
            return


def _pass_on(monitor: Monitor, what: str, value: Any) -> None:
    if what == "begin":
        monitor.begin(value[0], total_bytes=value[1], total_items=value[2])
    elif what == "expect":
        monitor.expect(more_bytes=value[0], more_items=value[1])
    elif what == "advance":
        monitor.advance(bytes_done=value[0], items_done=value[1], bytes_new=value[2])
    elif what == "finish":
        monitor.finish()
    else:
        monitor.warn(value)


def death(code: int) -> MvcError:
    """What to say of a process of ours that ended with `code`, negative for a signal, before it was done."""
    if code >= 0:
        return Failure("a process of mvc ended early", kind="internal", cause=f"exit code {code}")
    name = signal.Signals(-code).name
    if -code in FAULTS:
        return Died(
            "the store's index is damaged",
            cause=f"who read it was ended by {name}",
            help="mvc repair",
        )
    return Failure(
        f"a process of mvc was ended by {name}",
        kind="out-of-memory" if -code == signal.SIGKILL else "ended",
        cause="the system is out of memory, or somebody ended it",
        help="run the command again",
    )


def _work(pipe: IO[bytes]) -> None:
    teller = Teller(pipe)
    try:
        module, function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
        answer = getattr(import_module(module), function)(teller, *arguments)
    except BaseException as error:
        _hand_over(pipe, error)
        return
    pickle.dump(("answer", answer), pipe)


def _hand_over(pipe: IO[bytes], error: BaseException) -> None:
    """The error, without its traceback and causes; another one in its place where it cannot be pickled."""
    kept = io.BytesIO()
    try:
        pickle.dump(("error", error), kept)
        pickle.loads(kept.getvalue())  # noqa: S301 - our own
    except Exception:
        kept = io.BytesIO()
        failure = Failure(f"unexpected {type(error).__name__}: {error}", kind="internal")
        pickle.dump(("error", failure), kept)
    pipe.write(kept.getvalue())


def main() -> None:
    """The program of the child. Whatever else is printed goes nowhere, not between messages."""
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)
        try:
            _work(pipe)
            pipe.flush()
        except OSError as error:  # who asked is gone
            if error.errno != errno.EPIPE:
                raise


if __name__ == "__main__":
    main()
