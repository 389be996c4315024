"""Named moments between two states of the disk; the crash tables of FORMAT.md are about them.

A store calls `reached(STEP)` there, a few times for each commit or collection. Nobody listens outside
of tests, which die, fail or wait at a step.
"""

from __future__ import annotations

from collections.abc import Callable

Reached = Callable[[str], None]

PACK_OPENED = "pack-opened"
PACK_WRITTEN = "pack-written"
PACK_SYNCED = "pack-synced"
ROWS_BEGUN = "rows-begun"
ROWS_COMMITTED = "rows-committed"
JOURNAL_WRITTEN = "journal-written"
MARKED = "marked"
SWEPT = "swept"
LIVE_COPIED = "live-copied"
LIVE_REPOINTED = "live-repointed"
PACKS_UNLINKED = "packs-unlinked"
FORMS_WRITTEN = "forms-written"
FORMS_REPOINTED = "forms-repointed"

STEPS = (
    PACK_OPENED,
    PACK_WRITTEN,
    PACK_SYNCED,
    ROWS_BEGUN,
    ROWS_COMMITTED,
    JOURNAL_WRITTEN,
    MARKED,
    SWEPT,
    LIVE_COPIED,
    LIVE_REPOINTED,
    PACKS_UNLINKED,
    FORMS_WRITTEN,
    FORMS_REPOINTED,
)


def unheard(step: str) -> None:
    """The listener of stores in use."""
