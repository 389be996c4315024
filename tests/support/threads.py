"""Threads that would be copied by a fork, with the locks that they hold."""

from __future__ import annotations

import threading
from collections.abc import Iterable


def lasting(thread: threading.Thread) -> bool:
    """Whether it lives as long as its process: the main thread, and gRPC's loop and poller, which servers and
    clients of asyncio leave behind. These sleep, and hold no lock of ours."""
    if thread is threading.main_thread() or thread.name == "grpc-loop":
        return True
    return "_poll_wrapper" in thread.name


def others() -> set[str]:
    """The names of those that hold up a fork."""
    return names(threading.enumerate())


def names(threads: Iterable[threading.Thread]) -> set[str]:
    return {thread.name for thread in threads if not lasting(thread) and thread.is_alive()}
