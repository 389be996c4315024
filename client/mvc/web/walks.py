"""Walks through history that wait for their next page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from starlette.requests import Request

from mvc.api.errors import Failure
from mvc.api.repo import Repo
from mvc.api.versions import Version

_WAITING_WALKS = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What a list of versions is asked for."""

    where: str | None
    all_refs: bool
    sort: str | None

    @classmethod
    def of(cls, request: Request) -> Question:
        """The query's."""
        asked = request.query_params
        return cls(
            asked.get("where", "").strip() or None,
            asked.get("all") == "1",
            asked.get("sort") or None,
        )

    def ask(self, repo: Repo) -> Iterator[Version]:
        """Raises ExpressionError, UsageError, Failure."""
        if self.sort is None:
            return repo.find(self.where, all_refs=self.all_refs)
        lowest = self.sort.startswith("-")
        everything = 1 << 40
        return repo.find(
            self.where, all_refs=self.all_refs, best=self.sort.removeprefix("-"), lowest=lowest,
            limit=everything,
        )  # fmt: skip


class Walks:
    """Walks that wait for their next page, by what was asked and the last row that was given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[Question, str], Iterator[Version]] = OrderedDict()

    def page(
        self, repo: Repo, question: Question, cursor: str | None, limit: int
    ) -> tuple[list[Version], str | None]:
        """The rows after `cursor` and the cursor after them. Raises Failure(kind="no-cursor")."""
        walk = question.ask(repo) if cursor is None else self._behind(repo, question, cursor)
        rows = list(islice(walk, limit))
        if len(rows) < limit:
            return rows, None
        following = rows[-1].id
        with self._lock:
            self._waiting[question, following] = walk
            while len(self._waiting) > _WAITING_WALKS:
                self._waiting.popitem(last=False)
        return rows, following

    def _behind(self, repo: Repo, question: Question, cursor: str) -> Iterator[Version]:
        with self._lock:
            walk = self._waiting.pop((question, cursor), None)
        if walk is not None:
            return walk
        walk = question.ask(repo)
        if any(version.id == cursor for version in walk):
            return walk
        raise Failure(
            "the version that the page ended with is not there any more", kind="no-cursor"
        )
