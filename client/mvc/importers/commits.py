"""What each commit changes against its first parent, once what pointers stand for is in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mvc.importers.gitrecords import Blob, Change
from mvc.importers.gitsource import GitSource
from mvc.importers.pointers import CachedFile, Lacking, PointerOverlay, Pointers

Item = Blob | CachedFile


@dataclass(frozen=True, slots=True)
class CommitStep:
    """A commit, its parents, what it puts at which path (None: nothing is there any more), and what of it no
    cache has."""

    commit: str
    parents: tuple[str, ...]
    files: dict[str, Item | None]
    lacking: tuple[Lacking, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _State:
    """A commit's files as git has them, and what its pointers stand for."""

    tree: dict[str, Blob]
    overlay: PointerOverlay

    def item(self, path: str) -> Item | None:
        if path in self.overlay.items:
            return self.overlay.items[path]
        return None if path in self.overlay.hidden else self.tree.get(path)


class Commits:
    """Commits of a repository that are to be imported, parents before children."""

    def __init__(
        self,
        source: GitSource,
        rows: Sequence[tuple[str, ...]],
        pointers: Pointers | None,
        paths: Sequence[str],
    ) -> None:
        """`rows` are (commit, its parents...); `paths`, if any, the only ones that count."""
        self._source, self.rows, self._pointers, self._paths = source, rows, pointers, paths

    def steps(self, known: Collection[str]) -> Iterator[CommitStep]:
        """Yields what the commits but the `known` ones change."""
        rows = [row for row in self.rows if row[0] not in known]
        changes = self._source.changes(rows, self._paths)
        if self._pointers is None:
            for row, (_, changed) in zip(rows, changes, strict=True):
                yield CommitStep(row[0], row[1:], dict(changed))
            return
        states = _States(self._source, self._pointers, self._paths, rows)
        for row, (_, changed) in zip(rows, changes, strict=True):
            before, now = states.follow(row, changed)
            files = _differences(before, now, changed)
            old = () if before is None else before.overlay.lacking
            lacking = tuple(lack for lack in now.overlay.lacking if lack not in old)
            yield CommitStep(row[0], row[1:], files, lacking, now.overlay.problems)


class _States:
    """The states of commits whose children are still to come."""

    def __init__(
        self,
        source: GitSource,
        pointers: Pointers,
        paths: Sequence[str],
        rows: Sequence[tuple[str, ...]],
    ) -> None:
        self._source, self._pointers, self._paths = source, pointers, paths
        self._awaited = Counter(row[1] for row in rows if len(row) > 1)
        self._states: dict[str, _State] = {}

    def follow(
        self, row: tuple[str, ...], changed: Sequence[Change]
    ) -> tuple[_State | None, _State]:
        """The states of a commit's first parent and of the commit itself."""
        before = self._of(row[1]) if len(row) > 1 else None
        tree = {} if before is None else before.tree
        if changed:
            tree = dict(tree)
            for path, blob in changed:
                if blob is None:
                    tree.pop(path, None)
                else:
                    tree[path] = blob
        old = None if before is None else before.overlay
        now = _State(tree, self._pointers.overlay(tree, changed, old))
        if self._awaited[row[0]]:
            self._states[row[0]] = now
        return before, now

    def _of(self, commit: str) -> _State:
        state = self._states.get(commit)
        if state is None:  # it was imported before
            tree = self._source.tree(commit, self._paths)
            state = _State(tree, self._pointers.overlay(tree, None, None))
            self._states[commit] = state
        self._awaited[commit] -= 1
        if not self._awaited[commit]:
            del self._states[commit]
        return state


def _differences(
    before: _State | None, now: _State, changed: Sequence[Change]
) -> dict[str, Item | None]:
    old = _State({}, PointerOverlay()) if before is None else before
    touched = {path for path, _ in changed}
    if old.overlay is not now.overlay:
        touched |= old.overlay.hidden ^ now.overlay.hidden
        touched.update(
            path
            for path in old.overlay.items.keys() | now.overlay.items.keys()
            if old.overlay.items.get(path) != now.overlay.items.get(path)
        )
    compared = ((path, old.item(path), now.item(path)) for path in touched)
    return {path: item for path, was, item in compared if was != item}
