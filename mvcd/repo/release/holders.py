"""Who holds each stage, and who held it: the records of promotion, read."""

from __future__ import annotations

from dataclasses import replace

from mvcd.errors import UsageError
from mvcd.repo.core.core import Core
from mvcd.repo.records import moments
from mvcd.repo.records import stages as records
from mvcd.repo.records.stages import StageRecord


def stages(core: Core) -> tuple[StageRecord, ...]:
    """Reads the newest record of each stage, by name."""
    store = core.store
    return tuple(_numbered(core, records.records(store, n)[0]) for n in records.names(store))


def stage_history(core: Core, stage: str, *, at: str | None = None) -> tuple[StageRecord, ...]:
    """Reads a stage's records, newest first; with `at` (a date, a time, an age), those in force then.

    Raises Failure(kind="unknown-stage"); UsageError if `at` is no moment.
    """
    found = records.records(core.store, stage)
    if at is not None:
        moment = moments.parse(at, core.clock() // 1000)
        if moment is None:
            raise UsageError(
                f"{at!r} is no moment",
                cause="write a date or time like 2026-11-01 or 2026-11-01T12:00+01:00, or an age like 2h",
            )
        found = list(records.during(found, moment))
    return tuple(_numbered(core, record) for record in found)


def _numbered(core: Core, record: StageRecord) -> StageRecord:
    return replace(record, generation=core.version(record.promotion.version).generation)
