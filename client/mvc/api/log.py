"""The sequence that `Repo.log` returns: versions that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import overload

from mvc.api.shown import MAX_SHOWN_ROWS, Grid, Shown, html_table
from mvc.api.versions import Version, versions_grid

_LISTED_VERSIONS = 5
"""Versions that the text form shows."""


class Log(Shown, Sequence[Version]):
    """Versions, newest first: a sequence that reads no more of history than it is asked for.

    An iteration reads anew and keeps nothing. `log[0]` and slices keep what was read on the way there, and
    `len` all there is. What history begins with was fixed when the log was made.
    """

    def __init__(self, read: Callable[[], Iterator[Version]]) -> None:
        """`read` begins at the newest version; it gives the same ones each time."""
        self._read = read
        self._kept: list[Version] = []
        self._rest: Iterator[Version] | None = None
        self._whole = False

    def __iter__(self) -> Iterator[Version]:
        # `list(log)` asks for an iterator, then for the length: what that brings is not read a second time
        yield from self._kept if self._whole else self._read()

    def __len__(self) -> int:
        return len(self._first(None))

    def __bool__(self) -> bool:
        return bool(self._first(1))

    @overload
    def __getitem__(self, place: int) -> Version: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Version, ...]: ...
    def __getitem__(self, place: int | slice) -> Version | tuple[Version, ...]:
        if isinstance(place, slice):
            return tuple(self._first(_needed(place))[place])
        found = self._first(None if place < 0 else place + 1)
        if not -len(found) <= place < len(found):
            raise IndexError(f"the log has no version at {place}")
        return found[place]

    def _first(self, count: int | None) -> list[Version]:
        """At least the newest `count` (None: all), if there are so many."""
        if self._rest is None:
            self._rest = self._read()
        lacking = None if count is None else max(0, count - len(self._kept))
        self._kept.extend(islice(self._rest, lacking))
        self._whole = self._whole or count is None or len(self._kept) < count
        return self._kept

    def __repr__(self) -> str:
        found = self._first(_LISTED_VERSIONS + 1)
        lines = [f"  {version._brief()}" for version in found[:_LISTED_VERSIONS]]
        if len(found) > _LISTED_VERSIONS:
            lines.append("  ...")
        return "\n".join(["<mvc.Log", *lines]) + ">" if lines else "<mvc.Log of no versions>"

    def _repr_html_(self) -> str:
        """Shows the newest versions in a notebook."""
        found = self._first(MAX_SHOWN_ROWS + 1)
        more = " and older ones" if len(found) > MAX_SHOWN_ROWS else ""
        return html_table(versions_grid(f"Versions{more}", found[:MAX_SHOWN_ROWS]))

    def _grid(self) -> Grid:
        return versions_grid("Versions", list(self))


def _needed(place: slice) -> int | None:
    """How many of the first items a slice can reach; None for all."""
    start, stop, step = place.start or 0, place.stop, place.step or 1
    if step < 0:
        return None if start < 0 or place.start is None else start + 1
    return None if stop is None or start < 0 or stop < 0 else stop
