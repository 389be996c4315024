"""The part of `Repository` that answers questions over history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mvcd.repo.core.core import Core
from mvcd.repo.records.results import Context, History

if TYPE_CHECKING:
    from mvcd.objects.version import Component
    from mvcd.repo.history.bisect import Bisection, BisectState, Turning
    from mvcd.repo.history.blame import Blame
    from mvcd.repo.history.comparison import Comparison
    from mvcd.repo.history.series import Series


class SearchVerbs:
    """Methods of a class that has a `Core`."""

    _core: Core

    def find(
        self,
        start: str = "HEAD",
        *,
        where: str | None = None,
        best: str | None = None,
        lowest: bool | None = None,
        touching: str | None = None,
        component: Component | None = None,
        limit: int | None = None,
        all_refs: bool = False,
        first_parent: bool = False,
    ) -> Iterator[History]:
        """Lists versions like `history`, by conditions (query/__init__.py); with `best`, the best 10 first."""
        from mvcd.repo.history import search  # late: start-up

        return search.find(
            self._core, start, where=where, best=best, lowest=lowest, touching=touching,
            component=component, limit=limit, all_refs=all_refs, first_parent=first_parent,
        )  # fmt: skip

    def tabulate(
        self,
        revs: Sequence[str] = (),
        *,
        branches: Sequence[str] = (),
        all_refs: bool = False,
        where: str | None = None,
        sort: str | None = None,
        reverse: bool = False,
        columns: Sequence[str] = (),
        every_column: bool = False,
    ) -> Comparison:
        """Any number of versions in one table."""
        from mvcd.repo.history import comparison  # late: start-up

        comparison.require_some(revs, branches, all_refs)
        return comparison.compare(
            self._core, revs, branches=branches, all_refs=all_refs, where=where, sort=sort,
            reverse=reverse, columns=columns, every_column=every_column,
        )  # fmt: skip

    def blame(self, name: str, rev: str = "HEAD") -> Blame:
        """Which version last changed a path, tensor, hyperparameter or metric."""
        from mvcd.repo.history import blame  # late: start-up

        return blame.blame(self._core, name, rev)

    def series(
        self, metrics: Sequence[str], revs: Sequence[str] = ("HEAD",), *, where: str | None = None
    ) -> tuple[Series, ...]:
        """Metrics along the first parents of each of `revs`, oldest first."""
        from mvcd.repo.history import series  # late: start-up

        return series.series(self._core, metrics, revs, where=where)

    def bisect_start(
        self, bad: str | None = None, good: Sequence[str] = (), *, context: Context
    ) -> Bisection:
        from mvcd.repo.history import bisect  # late: start-up

        return bisect.start(self._core, bad, good, context)

    def bisect_mark(self, word: str, revs: Sequence[str] = (), *, context: Context) -> Bisection:
        """`word` is "good", "bad" or "skip"; of the workspace's version, unless others are named."""
        from mvcd.repo.history import bisect  # late: start-up

        return bisect.mark(self._core, word, revs, context)

    def bisect_status(self) -> Bisection:
        from mvcd.repo.history import bisect  # late: start-up

        return bisect.status(self._core)

    def bisect_reset(self, *, context: Context, rev: str | None = None) -> BisectState:
        """Ends the search, and goes back to where it began, or to `rev`."""
        from mvcd.repo.history import bisect  # late: start-up

        return bisect.reset(self._core, context, rev)

    def bisect_metric(self, where: str, *, good: str | None = None, bad: str = "HEAD") -> Turning:
        """Where a condition became true, from the records alone."""
        from mvcd.repo.history import bisect  # late: start-up

        return bisect.turning(self._core, where, good, bad)
