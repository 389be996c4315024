"""Stub until the words branch is merged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    pid: int
    command: tuple[str, ...]
    python: str
    directory: str


class Origins:
    def __init__(self, root: str) -> None:
        self._root = root

    def see(self, paths: Collection[str]) -> None:
        pass

    def of(self, paths: Collection[str]) -> Origin | None:
        return None


def started(pid: int) -> float | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return float(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
