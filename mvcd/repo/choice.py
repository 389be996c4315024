"""What a commit takes of the changes that a scan found: all of them, or only what is fit to be saved.

A person's commit takes everything. The daemon's takes what is complete and holds the rest back: a path held
back keeps the entry that the version before it has, and is a candidate again in the next scan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from mvcd.repo.results import Diff
from mvcd.repo.scan import Scan


class Choice(Protocol):
    """Asked three times in one commit, while the workspace lock is held; may raise to abandon it."""

    def hold_back(self, scan: Scan, *, whole: bool) -> Collection[str]:
        """Paths among the scan's candidates and vanished files that are not saved now.

        `whole`: the cache does not describe HEAD's version, so that no entry can be kept; then the
        answer must be empty.
        """

    def confirm(self, settled: Collection[str], rescan: Callable[[], Scan]) -> None:
        """All was read, nothing is visible yet. `settled` are the files that were read as they were scanned."""

    def message(self, diff: Callable[[], Diff]) -> str:
        """What the version says of itself; `diff` compares it with its parent."""


@dataclass(frozen=True, slots=True)
class Everything:
    """All changes, under a given message."""

    text: str

    def hold_back(self, scan: Scan, *, whole: bool) -> Collection[str]:  # noqa: ARG002
        return ()

    def confirm(self, settled: Collection[str], rescan: Callable[[], Scan]) -> None:
        """Files changing under a person's commit are that person's business; each file is whole in itself."""

    def message(self, diff: Callable[[], Diff]) -> str:  # noqa: ARG002
        return self.text
