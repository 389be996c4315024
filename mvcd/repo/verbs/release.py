"""The part of `Repository` that is about releases: stages and their histories, exports, model cards,
the audit log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mvcd.errors import UsageError
from mvcd.repo.core.core import Core
from mvcd.repo.records import moments
from mvcd.repo.records.results import Context

if TYPE_CHECKING:
    from mvcd.ids import VersionId
    from mvcd.objects.promotion import Promotion
    from mvcd.objects.version import Component
    from mvcd.repo.records.stages import ChainReport, StageRecord
    from mvcd.repo.release.card import CardFacts
    from mvcd.repo.release.export import ExportResult
    from mvcd.repo.trust.judging import Trust
    from mvcd.store.api import Store


class ReleaseVerbs:
    """Methods of a class that has a `Core`."""

    _core: Core

    @property
    def audit_log(self) -> Store:
        """Where the rows rest that a server wrote of its own changes; for reading."""
        return self._core.store

    def promote(
        self,
        rev: str,
        stage: str,
        *,
        context: Context,
        require: Sequence[str] = (),
        reason: str = "",
        trust: Callable[[], Trust] | None = None,
    ) -> StageRecord:
        """Puts a version on a stage if it passes the gate (gate.py). Without `trust` no signature is good."""
        from mvcd.repo.release import promotion  # late: start-up
        from mvcd.repo.trust.judging import Trust

        return promotion.promote(
            self._core, rev, stage, context, require=require, reason=reason, trust=trust or Trust
        )

    def stage_rollback(
        self, stage: str, *, context: Context, to: int | None = None, reason: str = ""
    ) -> StageRecord:
        """Brings back who held the stage before, or by record `to`, with a new record."""
        from mvcd.repo.release import promotion  # late: start-up

        return promotion.rollback(self._core, stage, context, to=to, reason=reason)

    def stage_withdraw(self, stage: str, *, context: Context, reason: str = "") -> StageRecord:
        """Leaves the stage to nobody, with a new record."""
        from mvcd.repo.release import promotion  # late: start-up

        return promotion.withdraw(self._core, stage, context, reason=reason)

    def stages(self) -> tuple[StageRecord, ...]:
        """The newest record of each stage, by name."""
        from mvcd.repo.records import stages  # late: start-up

        store = self._core.store
        return tuple(self._numbered(stages.records(store, n)[0]) for n in stages.names(store))

    def stage_history(self, stage: str, *, at: str | None = None) -> tuple[StageRecord, ...]:
        """Newest first; with `at` (a date, a time, an age), those in force then. Raises Failure."""
        from mvcd.repo.records import stages  # late: start-up

        found = stages.records(self._core.store, stage)
        if at is not None:
            moment = moments.parse(at, self._core.clock() // 1000)
            if moment is None:
                raise UsageError(
                    f"{at!r} is no moment",
                    cause="write a date or time like 2026-11-01 or 2026-11-01T12:00+01:00, or an age like 2h",
                )
            found = list(stages.during(found, moment))
        return tuple(map(self._numbered, found))

    def stage_check(self, stage: str, *, seal: str | None = None) -> ChainReport:
        """Whether the stage's history is whole: every record as it was made, none missing (stages.check)."""
        from mvcd.repo.records import stages  # late: start-up

        return stages.check(self._core.store, stage, seal)

    def stage_knows(self, record: Promotion) -> bool:
        """Whether the history of the record's stage has exactly this record."""
        from mvcd.repo.records import stages  # late: start-up

        return stages.knows(self._core.store, record)

    def export(
        self,
        rev: str,
        directory: str,
        *,
        only: Collection[Component] | None = None,
        replace: bool = False,
    ) -> ExportResult:
        """Writes a version, or some of its components, into a new directory with a manifest (EXPORT.md)."""
        from mvcd.repo.release.export import export  # late: start-up

        return export(self._core, rev, directory, only=only, replace=replace)

    def cards(self, ids: Sequence[VersionId], *, tables: bool) -> Iterator[CardFacts]:
        """What model cards say of versions; `tables` also counts the rows of their data."""
        from mvcd.repo.release import card  # late: start-up

        return card.facts(self._core, ids, tables=tables)

    def published(self) -> list[VersionId]:
        """Versions with a tag or that ever were on a stage, newest first."""
        from mvcd.repo.release import card  # late: start-up

        return card.published(self._core)

    def _numbered(self, record: StageRecord) -> StageRecord:
        generation = self._core.version(record.promotion.version).generation
        return replace(record, generation=generation)
