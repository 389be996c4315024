"""How the engine speaks: it tells a Monitor what happens and never prints.

The face decides what a person sees; tests listen at the same seam. Calls may come from any thread and
must be cheap: they are made once per chunk or file, never per byte.
"""

from __future__ import annotations

from typing import Protocol


class Monitor(Protocol):
    """A sink of progress and of problems that do not stop the operation."""

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        """A task (`"commit"`, `"checkout"`, ...) starts; totals where they are known."""

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        """The totals have grown: a transfer learns what there is to do while it does it."""

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        """Progress since the last call; `bytes_new` are raw bytes the store did not have."""

    def finish(self) -> None:
        """The task ended, well or not."""

    def warn(self, message: str) -> None:
        """One line about something skipped or degraded; the operation goes on."""


class Silent:
    """The monitor of those who do not listen. Warnings are kept, so that no caller loses them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        pass

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        pass

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        pass

    def finish(self) -> None:
        pass

    def warn(self, message: str) -> None:
        self.warnings.append(message)
