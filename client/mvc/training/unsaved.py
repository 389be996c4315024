"""Reports of a training process about checkpoints that are not saved: on stderr, counted, and not too often."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_count = 0
_told = 0
_why = ""
_pid = 0
_muted = False


@contextmanager
def muted() -> Iterator[None]:
    """Silences the reports while it lasts: the caller speaks for its blocks."""
    global _muted  # noqa: PLW0603
    before, _muted = _muted, True
    try:
        yield
    finally:
        _muted = before


def say(text: str) -> None:
    """Writes one line to stderr, whatever has been done to logging. Never fails."""
    if _muted:
        return
    try:
        sys.stderr.write(f"mvc: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # it is closed, or there is none
        pass


def not_saved(why: str) -> None:
    """Counts one checkpoint more; told at 1, 2, 4, 8, ... of them, and at the end of the process."""
    global _count, _why, _pid  # noqa: PLW0603 - of this process, whoever makes blocks in it
    if _muted:
        return
    with _lock:
        if _pid != os.getpid():
            _forget()
            _pid = os.getpid()
            atexit.register(_tell_the_rest)
        _count, _why = _count + 1, why
        if _count & (_count - 1) == 0:
            _tell()


def _tell() -> None:
    global _told  # noqa: PLW0603
    _told = _count
    what = "1 checkpoint is" if _count == 1 else f"{_count} checkpoints are"
    say(f"{what} not saved: {_why}")


def _tell_the_rest() -> None:
    if _pid == os.getpid() and _count > _told:
        _tell()


def _forget() -> None:
    global _count, _told  # noqa: PLW0603
    _count = _told = 0
