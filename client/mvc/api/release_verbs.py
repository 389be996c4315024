"""The part of `Repo` that is about releases: stages, exports, model cards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from mvc.api.public import public

if TYPE_CHECKING:
    from mvc.api.card import Card, Catalogue
    from mvc.api.deploy import Export
    from mvc.api.signatures import SignatureReport
    from mvc.api.stages import ChainReport, StageRecord
    from mvcd.repo.core.config import Config
    from mvcd.repo.records.results import Context
    from mvcd.repo.repository import Repository


class ReleaseVerbs:
    """Methods of `Repo` about stages, exports and model cards."""

    _engine: Repository

    if TYPE_CHECKING:

        @property
        def root(self) -> str: ...
        @property
        def config(self) -> Config: ...
        def signatures(self, rev: str = "HEAD") -> SignatureReport: ...
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
        """Promotes a version to a stage if it meets `require` and the rules of `mvc.toml`.

        Raises GateFailed (its `checked` has every requirement with what was found), Failure: kind
        "missing-content" or "holds-already".
        """
        from mvc.api.signing import trust_for  # late: start-up
        from mvc.api.stages import StageRecord

        demanded = (require,) if isinstance(require, str) else tuple(require)
        made = self._engine.promote(
            rev, stage, context=self._context(author), require=demanded, reason=reason,
            trust=lambda: trust_for(self.config, self.root, required=True),
        )  # fmt: skip
        return public(StageRecord, made)

    def stages(self) -> tuple[StageRecord, ...]:
        """Returns the newest record of each stage; `live` says whether a version holds it."""
        from mvc.api.stages import StageRecord  # late: start-up

        return tuple(public(StageRecord, one) for one in self._engine.stages())

    def stage_history(self, stage: str, *, at: str | date | None = None) -> tuple[StageRecord, ...]:
        """Returns every record of a stage, newest first; with `at`, those in force on that day or at that time.

        A day or time without zone is read on the clock of whoever made each record.
        Raises Failure: kind "unknown-stage".
        """
        from mvc.api.stages import StageRecord  # late: start-up

        when = at.isoformat() if isinstance(at, (date, datetime)) else at
        return tuple(public(StageRecord, one) for one in self._engine.stage_history(stage, at=when))

    def stage_rollback(
        self, stage: str, *, to: int | None = None, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """Gives a stage back to its previous holder, or to that of record `to`. This adds a record: history
        only grows."""
        from mvc.api.stages import StageRecord  # late: start-up

        context = self._context(author)
        return public(
            StageRecord, self._engine.stage_rollback(stage, context=context, to=to, reason=reason)
        )

    def stage_withdraw(
        self, stage: str, *, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """Withdraws a stage, so that no version holds it from now on."""
        from mvc.api.stages import StageRecord  # late: start-up

        context = self._context(author)
        return public(
            StageRecord, self._engine.stage_withdraw(stage, context=context, reason=reason)
        )

    def export(
        self,
        rev: str,
        directory: str | os.PathLike[str],
        *,
        only: Iterable[str] | None = None,
        replace: bool = False,
    ) -> Export:
        """Writes a version, or `only` some components, into a new directory with a manifest; all or nothing.

        `replace` lets it take the place of an older export. Raises Failure: kind "not-empty", "unsafe-link",
        "missing-content"; Busy while another export goes there.
        """
        from mvc.api.components import components_of  # late: start-up
        from mvc.api.deploy import Export

        made = self._engine.export(
            rev, os.fspath(directory), only=components_of(only), replace=replace
        )
        return public(Export, made)

    def card(self, rev: str = "HEAD") -> Card:
        """Makes the model card of a version: values, and `markdown()` and `html()` of them."""
        from mvc.api.card import Card  # late: start-up

        id = self._engine.resolve(rev)
        (facts,) = self._engine.cards([id], tables=True)
        return public(
            Card, facts, project=os.path.basename(self.root), signatures=self.signatures(id.hex())
        )

    def catalogue(self, *revs: str, stage: str | None = None, tags: bool = False) -> Catalogue:
        """Makes a table of models: of `revs`, of all that ever held `stage`, or of all tags; without any of
        these, of everything that has a tag or ever was on a stage, newest first. Signatures and tables are not
        read."""
        from mvc.api.card import Card, Catalogue  # late: start-up

        chosen = [self._engine.resolve(rev) for rev in revs]
        if stage is not None:
            chosen += [r.promotion.version for r in self._engine.stage_history(stage)]
        if tags:
            chosen += [tag.version for tag in self._engine.tags()]
        if not revs and stage is None and not tags:
            chosen = self._engine.published()
        facts = self._engine.cards(list(dict.fromkeys(chosen)), tables=False)
        name = os.path.basename(self.root)
        cards = (public(Card, f, project=name, signatures=None) for f in facts)
        return Catalogue(name, tuple(cards))

    def stage_check(self, stage: str, *, seal: str | None = None) -> ChainReport:
        """Checks whether a stage's history is complete and unchanged. Its `head`, noted elsewhere and given
        later as `seal`, proves that nothing up to there was rewritten since."""
        return self._engine.stage_check(stage, seal=seal)
