"""Workspaces that push to and pull from one place."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Self

from mvcd.repo.core.core import no_secret
from mvcd.repo.share.cloning import CloneResult
from mvcd.repo.share.fetching import FetchResult, PullResult
from mvcd.repo.share.pushing import Asked, PushResult
from tests.support.engine import Repository
from tests.support.workspace import Bench


class Person(Bench):
    """A workspace whose remote `origin` is known."""

    def push(self, *specs: str, remote: str | None = None, **options: Any) -> PushResult:
        return self.repo.push(remote, Asked(specs, **options), context=self.context())

    def fetch(self, *names: str) -> FetchResult:
        return self.repo.fetch(names)

    def pull(self, *names: str, branch: str | None = None) -> PullResult:
        return self.repo.pull(names, branch, context=self.context())

    def clone_of(self, url: str, root: Path, **options: Any) -> tuple[Person, CloneResult]:
        repo, result = Repository.clone(
            url, str(root), context=self.context(), secret=no_secret, **options
        )
        made = Person.__new__(Person)
        made.root, made._ticks, made.repo = root, 1_000_000, repo
        return made, result


class Pair:
    """Ada has a workspace, `url` is what she shares; `join` is Bob's clone of it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.url = str(scratch / "shared")
        self.ada = Person(scratch / "ada")
        self.ada.repo.add_remote("origin", self.url)
        self._others: list[Person] = []

    def join(self, name: str = "bob", url: str | None = None, **options: Any) -> Person:
        made, _ = self.ada.clone_of(url or self.url, self.scratch / name, **options)
        self._others.append(made)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for person in (self.ada, *self._others):
            person.repo.close()


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)
