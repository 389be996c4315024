"""Answers that take reading all of history, each kept until the repository changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

from mvc.api.lastasked import LastAsked
from mvc.api.repo import Repo

_KEPT_LOOKUPS = 24

T = TypeVar("T")


class Remembered:
    """Answers by what was asked. Pages that ask the same at the same time wait for one answer; of many
    questions, the one that nobody asked for longest goes."""

    def __init__(self) -> None:
        self._answers = LastAsked[_Answer](_KEPT_LOOKUPS)

    def of(self, repo: Repo, question: Hashable, find: Callable[[], T]) -> T:
        """What `find` returns, from the last time if no operation came since. Raises what it raises."""
        newest = next((operation.number for operation in repo.operations(limit=1)), 0)
        answer = self._answers.of(question, _Answer)
        with answer.lock:
            if answer.operation != newest:
                answer.value, answer.operation = find(), newest
            found: T = answer.value  # type: ignore[assignment]
            return found


class _Answer:
    """`operation`: the number of the newest one when it was found, -1 before."""

    __slots__ = ("lock", "operation", "value")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.operation = -1
        self.value: object = None
