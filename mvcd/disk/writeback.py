"""Syncs that run while files still grow, and the failure that ends all acknowledging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.disk.sync import sync_file

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

WRITE_BACK_STEP_BYTES = 64 << 20
"""Bytes between two starts of write-back."""


class SyncFailed(Exception):
    """An fsync failed; the store must not acknowledge anything any more."""


class WriteBack:
    """A thread that syncs files while they grow, so that the last fsync finds little to do.

    The kernel reports a failed write-back to one fsync only. That may be one of ours here, so its
    failure is kept and raised by `finish`, which whoever acknowledges anything has to call.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None
        self._waiting = 0

    def wrote(self, file: int, size: int) -> None:
        """Counts bytes, of whichever file; when they are enough, starts on this one. Raises SyncFailed."""
        self._waiting += size
        if self._waiting >= WRITE_BACK_STEP_BYTES and self.start(file):
            self._waiting = 0

    def start(self, file: int) -> bool:
        """Starts on a file; False when busy with the one before. Raises SyncFailed."""
        from concurrent.futures import ThreadPoolExecutor  # late: start-up

        if self._running is not None and not self._running.done():
            return False
        self.finish()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "mvc-write-back")
        self._running = self._thread.submit(_sync, file)
        return True

    def finish(self) -> None:
        """Waits. Raises SyncFailed."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def close(self) -> None:
        """Waits; files may be closed then."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None


def _sync(file: int) -> None:
    try:
        sync_file(file)
    except OSError as error:
        raise SyncFailed(str(error)) from error
