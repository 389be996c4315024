"""Ending well when told to: SIGTERM and SIGHUP unwind a command as Ctrl-C does, and each only once.

A signal arrives between any two steps of the interpreter, so also between the making of a directory and the
note of who removes it. What must not be parted is put into `whole()`, and the signal waits for its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import TypeVar

from mvc.cli.errors import HungUp, Terminated

T = TypeVar("T")

_RAISED: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated, signal.SIGHUP: HungUp,
}  # fmt: skip


class _Hearing:
    """The one of this process."""

    def __init__(self) -> None:
        self.depth = 0
        self.waiting: int | None = None
        self.ending = False

    def hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """A second signal is not heard: what the first one ends takes seconds, and is bounded."""
        if self.ending:
            return
        if self.depth:
            self.waiting = number
        else:
            self._end(number)

    def leave(self) -> None:
        self.depth -= 1
        if self.depth == 0 and self.waiting is not None and not self.ending:
            self._end(self.waiting)

    def _end(self, number: int) -> None:
        self.ending = True
        raise _RAISED[number]


_hearing = _Hearing()


@contextmanager
def unwinding() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, Terminated and HungUp in the main thread, once.

    A signal that is ignored (SIGHUP under nohup, SIGINT in the background of a script) stays so; outside the
    main thread, where Python takes no handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _RAISED}
    heard = [n for n, action in before.items() if action not in (signal.SIG_IGN, None)]
    try:
        for number in heard:
            signal.signal(number, _hearing.hear)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
        _hearing.waiting, _hearing.ending = None, False


@contextmanager
def whole() -> Iterator[None]:
    """What happens inside is not cut in two by a signal; keep it short."""
    _hearing.depth += 1
    try:
        yield
    finally:
        _hearing.leave()


def enter(stack: ExitStack, manager: AbstractContextManager[T]) -> T:
    """Enters a context that makes something, and notes who removes it, in one."""
    with whole():
        return stack.enter_context(manager)
