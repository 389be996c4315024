"""A file lock that is waited for, but not for ever."""

from __future__ import annotations

import fcntl
import time


def lock_within(file: int, seconds: float, *, poll: float = 0.02) -> bool:
    """Takes the exclusive flock of a descriptor; whether it was to be had within `seconds`, asked every `poll`.

    flock(2) itself waits for ever or not at all.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(poll)
        else:
            return True
