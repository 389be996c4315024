"""The outcome of a checkpoint: the version that holds it, now or later."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mvc import daemon_client
from mvc.api import errors

_STEP_SECONDS = 20.0
"""Seconds for which one question to the daemon waits."""


@dataclass(frozen=True, slots=True)
class SavedAs:
    """A version: its id in hex, and its number on its branch."""

    version: str
    number: int


class Saving:
    """A future like concurrent.futures.Future, without a thread: each question goes to the daemon.

    `result` raises TimeoutError, and DaemonError where there is no version and never will be.
    """

    def __init__(self, root: str, capture: int | None, saved: SavedAs | None = None) -> None:
        self._root = root
        self._capture = capture
        self._saved = saved
        self._missed = ""

    def done(self) -> bool:
        """Whether the outcome is known. Does not wait, and does not fail."""
        if self._capture is not None and self._saved is None and not self._missed:
            try:
                self._ask(0.0)
            except errors.MvcError:
                return False
        return self._saved is not None or bool(self._missed) or self._capture is None

    def result(self, timeout: float | None = None) -> SavedAs:
        """Waits until the version is durable."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._saved is None and self._capture is not None and not self._missed:
            left = _STEP_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no version after {timeout:g} s")
            self._ask(min(left, _STEP_SECONDS))
        if self._saved is None:
            raise errors.DaemonError(
                "the checkpoint is no version", kind="missed", cause=self._missed or None,
                help="mvc watch --status",
            )  # fmt: skip
        return self._saved

    def _ask(self, timeout: float) -> None:
        answer = daemon_client.ask(
            "outcome", timeout=timeout + daemon_client.ANSWER_SECONDS,
            root=self._root, capture=self._capture, seconds=timeout,
        )  # fmt: skip
        if answer["state"] == "saved":
            self._saved = SavedAs(str(answer["version"]), int(answer["number"]))
        elif answer["state"] == "missed":
            self._missed = str(answer["reason"])
