"""The graph beside `mvc log --graph`: a lane a line of versions, newest first.

A lane carries the id of the version that it waits for. Where a version stands, its lane goes on to its first
parent; further parents, and lanes that end in a parent which another lane waits for already, are drawn below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

_SIGNS = {
    (1, 1, 0, 0): "│", (1, 0, 1, 0): "╯", (1, 0, 0, 1): "╰", (0, 1, 1, 0): "╮", (0, 1, 0, 1): "╭",
    (1, 1, 1, 0): "┤", (1, 1, 0, 1): "├", (1, 1, 1, 1): "┼", (1, 0, 1, 1): "┴", (0, 1, 1, 1): "┬",
    (0, 0, 1, 1): "─", (1, 0, 0, 0): "╵", (0, 1, 0, 0): "╷",
}  # fmt: skip
"""A cell of a row between versions: (up, down, left, right)."""
_ASCII = str.maketrans("│╯╰╮╭┤├┼┴┬─╵╷", "|//\\\\||+++-||")
_COLORS = ("green", "cyan", "magenta", "yellow", "blue", "red")


class Lanes:
    """The lanes between one version and the next. No version may come after its parent."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self._waiting: list[str | None] = []
        self._ascii = ascii_only

    def beside(self, id: str, parents: Sequence[str], lines: Iterable[str]) -> Iterator[str]:
        """The lines about a version with the lanes in front of them, and the row that leads to its parents."""
        at = self._take(id)
        before = list(self._waiting)
        first = True
        links = self._go_on(at, parents)
        room = max(len(before), len(self._waiting))
        for line in lines:
            waiting = before if first else self._waiting_below(before, at, parents)
            cells = [
                ("*" if first and lane == at else "│" if held is not None else " ")
                for lane, held in enumerate(waiting + [None] * (room - len(waiting)))
            ]
            first = False
            yield f"{self._drawn(cells, ' ')}{line}".rstrip()
        if any(link != at for link in links):
            yield self._drawn(*self._link_row(at, before, links)).rstrip()
        while self._waiting and self._waiting[-1] is None:
            self._waiting.pop()

    def _take(self, id: str) -> int:
        """The lane that waits for a version, or a new one."""
        if id in self._waiting:
            return self._waiting.index(id)
        self._waiting.append(id)
        return len(self._waiting) - 1

    def _go_on(self, at: int, parents: Sequence[str]) -> list[int]:
        """Puts the parents into lanes; answers their lanes."""
        self._waiting[at] = None
        links = []
        for index, parent in enumerate(parents):
            if index == 0 and parent in self._waiting[at + 1 :]:
                links.append(self._bring_home(at, parent))
            if parent not in self._waiting:
                free = at if self._waiting[at] is None else self._free(at)
                self._waiting[free : free + 1] = [parent]
            links.append(self._waiting.index(parent))
        return links

    def _bring_home(self, at: int, parent: str) -> int:
        """Waits here for a parent that a lane further right waited for; answers where that lane ended."""
        ended = self._waiting.index(parent)
        self._waiting[ended], self._waiting[at] = None, parent
        return ended

    def _free(self, at: int) -> int:
        """An unused lane on the right, or one more."""
        right = range(at + 1, len(self._waiting))
        return next((lane for lane in right if self._waiting[lane] is None), len(self._waiting))

    @staticmethod
    def _waiting_below(
        before: list[str | None], at: int, parents: Sequence[str]
    ) -> list[str | None]:
        """Lanes beside the further lines of a version: its own goes on if it has parents."""
        return [*before[:at], before[at] if parents else None, *before[at + 1 :]]

    def _link_row(
        self, at: int, before: list[str | None], links: Sequence[int]
    ) -> tuple[list[str], str]:
        low, high = min(at, *links), max(at, *links)
        cells = []
        for lane in range(max(len(before), len(self._waiting))):
            up = lane < len(before) and before[lane] is not None
            down = lane < len(self._waiting) and self._waiting[lane] is not None
            turns = lane in (at, *links)
            left, right = low < lane <= high, low <= lane < high
            if not turns and up and down:
                cells.append("│" if not (left and right) else "┼")
            else:
                cells.append(_SIGNS.get((up, down, left, right), " "))
        return cells, "─"

    def _drawn(self, cells: Sequence[str], between: str) -> str:
        """The cells, two columns each; a horizontal goes on through the second."""
        said = ""
        for lane, cell in enumerate(cells):
            goes_on = between == "─" and cell in "─╰╭├┼┴┬" and lane + 1 < len(cells)
            text = cell.translate(_ASCII) if self._ascii else cell
            rest = ("-" if self._ascii else "─") if goes_on else " "
            color = _COLORS[lane % len(_COLORS)]
            said += (text if cell in "* " else click.style(text, fg=color)) + rest
        return said
