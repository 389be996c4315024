"""The part of `Repo` that is about stages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from mvcd.repo.stage_verbs import StageVerbs as Engine

if TYPE_CHECKING:
    from mvc.api.stages import ChainReport, StageRecord
    from mvcd.repo.results import Context


class StageVerbs:
    """Methods of a class that has an engine and knows who acts."""

    _engine: Engine

    if TYPE_CHECKING:

        def _context(self, author: str | None = None, *, full: bool = False) -> Context: ...

    def promote(
        self,
        rev: str,
        stage: str,
        *,
        require: Iterable[str] = (),
        reason: str = "",
        author: str | None = None,
    ) -> StageRecord:
        """Puts a version on a stage if it meets `require` and the rules of `mvc.toml`.

        Raises GateFailed (its `checked` has every requirement with what was found), Failure: kind
        "missing-content" or "holds-already".
        """
        from mvc.api.stages import StageRecord

        demanded = (require,) if isinstance(require, str) else tuple(require)
        made = self._engine.promote(
            rev, stage, context=self._context(author), require=demanded, reason=reason
        )
        return StageRecord.of(made)

    def stages(self) -> tuple[StageRecord, ...]:
        """The newest record of each stage; `live` says whether a version holds it."""
        from mvc.api.stages import StageRecord

        return tuple(map(StageRecord.of, self._engine.stages()))

    def stage_history(self, stage: str, *, at: str | date | None = None) -> tuple[StageRecord, ...]:
        """Every record of a stage, newest first; with `at`, those in force on that day or at that time.

        A day or time without zone is read on the clock of whoever made each record.
        Raises Failure: kind "unknown-stage".
        """
        from mvc.api.stages import StageRecord

        when = at.isoformat() if isinstance(at, (date, datetime)) else at
        return tuple(map(StageRecord.of, self._engine.stage_history(stage, at=when)))

    def stage_rollback(
        self, stage: str, *, to: int | None = None, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """Brings back who held a stage before, or by record `to`. That is a new record: history only grows."""
        from mvc.api.stages import StageRecord

        context = self._context(author)
        return StageRecord.of(
            self._engine.stage_rollback(stage, context=context, to=to, reason=reason)
        )

    def stage_withdraw(
        self, stage: str, *, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """From now on no version holds the stage."""
        from mvc.api.stages import StageRecord

        context = self._context(author)
        return StageRecord.of(self._engine.stage_withdraw(stage, context=context, reason=reason))

    def stage_check(self, stage: str) -> ChainReport:
        """Whether a stage's history is whole; `head` is the digest that seals it."""
        return self._engine.stage_check(stage)
