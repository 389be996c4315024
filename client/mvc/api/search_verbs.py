"""The part of `Repo` that answers questions over history."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mvc.api.components import component_of
from mvc.api.opened import Opened, Path
from mvc.api.public import moment, public
from mvcd.errors import UsageError
from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY

if TYPE_CHECKING:
    from mvc.api.search import (
        Bisection,
        Blame,
        Comparison,
        Extent,
        Looked,
        Series,
        SinceParent,
        Turning,
    )
    from mvc.api.versions import Version
    from mvcd.repo.mentions.looking import Looked as EngineLooked


class SearchVerbs(Opened):
    """Methods of `Repo` about questions over history."""

    def find(
        self,
        where: str | None = None,
        *,
        rev: str = "HEAD",
        best: str | None = None,
        lowest: bool | None = None,
        touching: str | None = None,
        paths: Iterable[Path] = (),
        component: str | None = None,
        limit: int | None = None,
        all_refs: bool = False,
        first_parent: bool = False,
    ) -> Iterator[Version]:
        """Finds versions that meet a condition such as "val_acc>0.9 and lr<1e-3", newest first.

        `touching`: those that changed a path, tensor, hyperparameter or metric. `paths`: those that changed one
        of these files or directories. `best`: by this metric, the
        best (10) first; `lowest` says which way is better where the name does not tell. `mvc log --help`
        explains conditions. Raises ExpressionError, which knows the place of the mistake, and UsageError: kind
        "no-direction".
        """
        from mvc.api.versions import Version  # late: start-up
        from mvcd.repo.history import search

        found = search.find(
            self._core, rev, where=where, best=best, lowest=lowest, touching=touching,
            paths=self._absolute(paths), limit=limit, component=component_of(component),
            all_refs=all_refs, first_parent=first_parent,
        )  # fmt: skip
        return (public(Version, entry) for entry in found)

    def best(
        self,
        metric: str,
        *,
        rev: str = "HEAD",
        where: str | None = None,
        lowest: bool | None = None,
        all_refs: bool = False,
    ) -> Version | None:
        """Finds the best version by a metric, the oldest of equal ones; None if none meets `where`."""
        found = self.find(where, rev=rev, best=metric, lowest=lowest, limit=1, all_refs=all_refs)
        return next(found, None)

    def compare(
        self,
        *revs: str,
        branches: Iterable[str] = (),
        all_refs: bool = False,
        where: str | None = None,
        sort: str | None = None,
        reverse: bool = False,
        columns: Iterable[str] = (),
        every_column: bool = False,
    ) -> Comparison:
        """Compares any number of versions in one table; "A..B" stands for those that B has and A does not.

        `columns` are keys or globs; without, those that differ. `sort` is a key, or time, version, author.
        """
        from mvc.api.search import Comparison  # late: start-up
        from mvcd.repo.history import comparison

        found = comparison.compare_versions(
            self._core, revs, branches=_names(branches), all_refs=all_refs, where=where, sort=sort,
            reverse=reverse, columns=_names(columns), every_column=every_column,
        )  # fmt: skip
        return public(Comparison, found)

    def blame(self, subject: str | os.PathLike[str], rev: str = "HEAD") -> Blame:
        """Finds the version that last changed a path, a tensor, a hyperparameter or a metric.

        Raises Failure: kind "unknown-subject" for what `rev` and its history do not have.
        """
        from mvc.api.search import Blame  # late: start-up
        from mvcd.repo.history import blame

        return public(Blame, blame.blame(self._core, os.fspath(subject), rev))

    def series(
        self,
        *metrics: str,
        revs: Iterable[str] = ("HEAD",),
        where: str | None = None,
        steps: bool = False,
    ) -> tuple[Series, ...]:
        """Reads metrics along the first parents of each rev, oldest first; `mvc plot` draws them.

        With `steps`, the points are those of the newest version's training, where its files have them.
        """
        from mvc.api.search import Series  # late: start-up
        from mvcd.repo.history import series

        found = series.series(self._core, metrics, _names(revs), where=where, steps=steps)
        return tuple(public(Series, one) for one in found)

    def since_parent(self, version: Version, metrics: Iterable[str] | None = None) -> SinceParent:
        """Compares a version with its first parent (or with none) by what their records say: which components
        differ, and which of `metrics` (None: all) got better or worse. Reads no content."""
        from mvc.api.search import SinceParent  # late: start-up
        from mvcd.repo.workspace.settings import current, metric_rules

        core, parents = self._core, version.parents
        before = core.version(VersionId.parse(parents[0])) if parents else EMPTY
        roots = {
            part: None if root.root is None else root.root.hex()
            for part, root in before.components.items()
        }
        changed = tuple(
            part for part, root in version.components.items() if root.digest != roots[part]
        )
        rules = metric_rules(current(core))
        moved = {
            key: rules.better(key, before.metrics[key], version.metrics[key])
            for key in (version.metrics if metrics is None else metrics)
            if key in version.metrics and key in before.metrics
        }
        return SinceParent(changed, {key: it for key, it in moved.items() if it is not None})

    def recorded(self, rev: str = "HEAD", *, all_refs: bool = False) -> dict[tuple[str, str], int]:
        """Counts the versions that record each key: `{("metric", "val_acc"): 12}`, the other kind being
        "hyperparameter". Reads the records of all of history, and no content."""
        from collections import Counter  # late: start-up

        from mvcd.repo.history.history import heads
        from mvcd.repo.history.walk import ancestors

        found: Counter[tuple[str, str]] = Counter()
        for version in ancestors(self._core, heads(self._core, rev, all_refs=all_refs)):
            found.update(("metric", key) for key, _ in version.metrics())
            found.update(("hyperparameter", key) for key, _ in version.hyperparameters())
        return dict(found)

    def extents(
        self,
        *keys: str,
        rev: str = "HEAD",
        where: str | None = None,
        all_refs: bool = False,
    ) -> tuple[Extent, ...]:
        """Finds the newest, the least, the greatest and the best value of each metric or hyperparameter over
        the versions that `find` would find. Reads records, and no content. Raises ExpressionError."""
        from mvc.api.search import Extent  # late: start-up
        from mvcd.repo.history import series

        found = series.extents(self._core, keys, rev, where=where, all_refs=all_refs)
        return tuple(public(Extent, one) for one in found)

    def mentions(
        self,
        text: str = "",
        *,
        size: int | None = None,
        sha256: str | None = None,
        after: str | None = None,
    ) -> Iterator[Looked]:
        """Looks through all versions, newest first, for what has all words of `text`; yields each version that
        it looked at, so that a caller may stop, and go on later with `after`.

        It looks at ids, messages, names, annotations, keys, paths, and tensors that recipes name; each key,
        path and tensor is told once, at the newest version that has it. 64 hex digits are also a SHA-256,
        among those that are remembered. With `size` instead of a text, it looks for files of so many bytes with
        this digest: those of files of this size are computed, and remembered, where they are not known yet.

        Raises UsageError for a digest that is none, Failure: kind "no-cursor".
        """
        from mvcd.repo.mentions import looking  # late: start-up
        from mvcd.repo.mentions.sought import Sought

        sought = Sought.of(text) if size is None else Sought.content(size, sha256)
        if sought.nothing:
            return iter(())
        try:
            behind = None if after is None else VersionId.parse(after)
        except ValueError:
            raise UsageError(f"{after!r} is no id of a version") from None
        return self._looked(looking.look(self._core, sought, after=behind))

    def _looked(self, versions: Iterable[EngineLooked]) -> Iterator[Looked]:
        from mvc.api.search import Looked, Mention  # late: start-up
        from mvcd.repo.versions.numbers import Numbers

        numbers = Numbers(self._core)
        for one in versions:
            version = one.version
            found = (
                Mention(m.kind.value, m.what, None if m.component is None else m.component.value)
                for m in one.found
            )
            yield Looked(
                version.id.hex(), version.generation,
                moment(version.time_us, version.utc_offset_minutes), version.message, tuple(found),
                numbers.names(version.id, version.generation),
            )  # fmt: skip

    # ---------------------------------------------------------------- bisect

    def bisect(self, where: str, *, good: str | None = None, bad: str = "HEAD") -> Turning:
        """Finds where a condition over metrics became true on the way from `good` to `bad`; moves nothing."""
        from mvc.api.search import Turning  # late: start-up
        from mvcd.repo.history import bisect

        return public(Turning, bisect.turning(self._core, where, good=good, bad=bad))

    def bisect_start(self, bad: str | None = None, *good: str) -> Bisection:
        """Begins a search; once a bad and a good version are known, a midpoint is checked out.

        Raises Conflict when that would overwrite unsaved work.
        """
        from mvc.api.search import Bisection  # late: start-up
        from mvcd.repo.history import bisect

        return public(Bisection, bisect.start(self._core, bad, good, context=self._context()))

    def bisect_good(self, *revs: str) -> Bisection:
        """Marks versions, by default the one checked out, as good; checks the next one out."""
        return self._mark("good", revs)

    def bisect_bad(self, *revs: str) -> Bisection:
        """Marks versions, by default the one checked out, as bad; checks the next one out."""
        return self._mark("bad", revs)

    def bisect_skip(self, *revs: str) -> Bisection:
        """Marks versions as impossible to test."""
        return self._mark("skip", revs)

    def bisect_status(self) -> Bisection:
        """Returns the state of the search. Raises Failure: kind "not-bisecting"."""
        from mvc.api.search import Bisection  # late: start-up
        from mvcd.repo.history import bisect

        return public(Bisection, bisect.status(self._core))

    def bisect_reset(self, rev: str | None = None) -> str:
        """Ends a search and goes back to where it began, or to `rev`; returns the branch or id gone to."""
        from mvcd.repo.history import bisect  # late: start-up

        state = bisect.reset(self._core, rev, context=self._context())
        return rev or state.start

    def _mark(self, word: str, revs: tuple[str, ...]) -> Bisection:
        from mvc.api.search import Bisection  # late: start-up
        from mvcd.repo.history import bisect

        found = bisect.mark(self._core, word, revs, context=self._context())
        return public(Bisection, found)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
