"""The monitor of the command line: warnings as lines, progress on a terminal.

Nothing is drawn, and rich not even imported (40 ms), before a task has run for half a second. The engine calls
`advance` once per chunk, so figures are summed here and handed to the display ten times a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mvc.cli import text

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_SECONDS = 0.5
_INTERVAL_SECONDS = 0.1
_SAVING = "snapshot"
_TITLES = {
    _SAVING: "saving",
    "verify": "verifying",
    "checkout": "checking out",
    "compare": "comparing",
    "tables": "reading tables",
    "fetch": "fetching",
    "heal": "fetching again",
    "push": "pushing",
    "copy": "copying",
    "import": "importing",
}
"""The engine's tasks as people call them; others show as they are."""


class Lines:
    """Prints warnings, each once; draws nothing."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._warned: set[str] = set()

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
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)


class Bar(Lines):
    """Draws besides: done of total, rate, time left, and how much of it is new."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(warn)
        self._lock = threading.Lock()
        self._display: Progress | None = None
        self._reset("")

    def _reset(self, task: str, total_bytes: int | None = None, items: int | None = None) -> None:
        self._task, self._total, self._items = task, total_bytes, items
        self._done = self._count = self._new = 0
        self._started = time.monotonic()
        self._next = self._started + _PATIENCE_SECONDS

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        self.finish()
        with self._lock:
            self._reset(task, total_bytes, total_items)

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        with self._lock:
            self._total = (self._total or 0) + more_bytes
            self._items = (self._items or 0) + more_items

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        with self._lock:
            self._done += bytes_done
            self._count += items_done
            self._new += bytes_new
            now = time.monotonic()
            if self._task and now >= self._next:
                self._next = now + _INTERVAL_SECONDS
                self._draw()

    def finish(self) -> None:
        with self._lock:
            self._task = ""
            if self._display is not None:
                self._display.stop()
                self._display = None

    def _draw(self) -> None:
        if self._display is None:
            self._display = _display()
            self._display.add_task(
                _TITLES.get(self._task, self._task),
                total=self._total or self._items,
                figures=self._figures(),
            )
            self._display.start()
        progress = self._display
        progress.update(
            progress.task_ids[0],
            total=self._total or self._items,
            completed=self._done if self._total else self._count,
            figures=self._figures(),
        )

    def _figures(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        total = f" of {text.size(self._total)}" if self._total else ""
        if not self._total and self._items:
            total = f", {min(100, 100 * self._count // self._items)} %"
        figures = f"{text.size(self._done)}{total}  {text.size(self._done / seconds)}/s"
        if self._task == _SAVING:
            figures += f"  new {text.size(self._new)}, reused {text.size(self._done - self._new)}"
        return figures


def _display() -> Progress:
    from rich.console import Console  # late: start-up
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
