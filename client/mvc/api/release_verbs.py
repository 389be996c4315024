"""The part of `Repo` that is about releases: stages, exports, model cards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from mvc.api.components import parts_of
from mvc.api.public import public
from mvc.api.signing import SignatureVerbs

if TYPE_CHECKING:
    from mvc.api.card import Card, Catalogue
    from mvc.api.deploy import Export
    from mvc.api.stages import ChainReport, CheckedRequirement, StageRecord


class ReleaseVerbs(SignatureVerbs):
    """Methods of `Repo` about stages, exports and model cards."""

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
        from mvc.api.stages import StageRecord  # late: start-up
        from mvcd.repo.release import promotion

        demanded = (require,) if isinstance(require, str) else tuple(require)
        made = promotion.promote(
            self._core, rev, stage, context=self._context(author), require=demanded, reason=reason,
            trust=lambda: self._trust(required=True),
        )  # fmt: skip
        return public(StageRecord, made)

    def promotion_check(
        self, rev: str, stage: str, *, require: Iterable[str] = ()
    ) -> tuple[CheckedRequirement, ...]:
        """Tells whether a version may be promoted, and changes nothing: every requirement, with what was found.

        Raises what `promote` would raise: GateFailed, Failure.
        """
        from mvcd.repo.release import promotion  # late: start-up

        demanded = (require,) if isinstance(require, str) else tuple(require)
        return promotion.check(
            self._core, rev, stage, require=demanded,
            trust=lambda: self._trust(required=True),
        )  # fmt: skip

    def stages(self) -> tuple[StageRecord, ...]:
        """Returns the newest record of each stage; `live` says whether a version holds it."""
        from mvc.api.stages import StageRecord  # late: start-up
        from mvcd.repo.release import holders

        return tuple(public(StageRecord, one) for one in holders.stages(self._core))

    def stage_history(self, stage: str, *, at: str | date | None = None) -> tuple[StageRecord, ...]:
        """Returns every record of a stage, newest first; with `at`, those in force on that day or at that time.

        A day or time without zone is read on the clock of whoever made each record.
        Raises Failure: kind "unknown-stage".
        """
        from mvc.api.stages import StageRecord  # late: start-up
        from mvcd.repo.release import holders

        when = at.isoformat() if isinstance(at, (date, datetime)) else at
        found = holders.stage_history(self._core, stage, at=when)
        return tuple(public(StageRecord, one) for one in found)

    def stage_rollback(
        self, stage: str, *, to: int | None = None, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """Gives a stage back to its previous holder, or to that of record `to`. This adds a record: history
        only grows."""
        from mvc.api.stages import StageRecord  # late: start-up
        from mvcd.repo.release import promotion

        context = self._context(author)
        made = promotion.rollback(self._core, stage, context=context, to=to, reason=reason)
        return public(StageRecord, made)

    def stage_withdraw(
        self, stage: str, *, reason: str = "", author: str | None = None
    ) -> StageRecord:
        """Withdraws a stage, so that no version holds it from now on."""
        from mvc.api.stages import StageRecord  # late: start-up
        from mvcd.repo.release import promotion

        context = self._context(author)
        made = promotion.withdraw(self._core, stage, context=context, reason=reason)
        return public(StageRecord, made)

    def export(
        self,
        rev: str,
        directory: str | os.PathLike[str],
        *,
        only: Iterable[str] | None = None,
        replace: bool = False,
    ) -> Export:
        """Writes a version, or `only` some components, into a new directory with a manifest; all or nothing.

        In `only`, "weights" is the model; "state" is its training state (optimizer, scheduler, random numbers).

        `replace` lets it take the place of an older export. Raises Failure: kind "not-empty", "unsafe-link",
        "missing-content"; Busy while another export goes there.
        """
        from mvc.api.deploy import Export  # late: start-up
        from mvcd.repo.release import export

        where, (chosen, state) = os.fspath(directory), parts_of(only)
        made = export.export(self._core, rev, where, only=chosen, replace=replace, state=state)
        return public(Export, made)

    def card(self, rev: str = "HEAD") -> Card:
        """Makes the model card of a version: values, and `markdown()` and `html()` of them."""
        from mvc.api.card import Card  # late: start-up
        from mvcd.repo.release import card

        id = self._core.resolve(rev)
        (facts,) = card.facts(self._core, [id], tables=True)
        return public(
            Card, facts, project=os.path.basename(self.root), signatures=self.signatures(id.hex())
        )

    def catalogue(self, *revs: str, stage: str | None = None, tags: bool = False) -> Catalogue:
        """Makes a table of models: of `revs`, of all that ever held `stage`, or of all tags; without any of
        these, of everything that has a tag or ever was on a stage, newest first. Signatures and tables are not
        read."""
        from mvc.api.card import Card, Catalogue  # late: start-up
        from mvcd.repo.change import branches
        from mvcd.repo.release import card, holders

        chosen = [self._core.resolve(rev) for rev in revs]
        if stage is not None:
            records = holders.stage_history(self._core, stage)
            chosen += [record.promotion.version for record in records]
        if tags:
            chosen += [tag.version for tag in branches.tags(self._core)]
        if not revs and stage is None and not tags:
            chosen = card.published(self._core)
        facts = card.facts(self._core, list(dict.fromkeys(chosen)), tables=False)
        name = os.path.basename(self.root)
        cards = (public(Card, f, project=name, signatures=None) for f in facts)
        return Catalogue(name, tuple(cards))

    def stage_check(self, stage: str, *, seal: str | None = None) -> ChainReport:
        """Checks whether a stage's history is complete and unchanged. Its `head`, noted elsewhere and given
        later as `seal`, proves that nothing up to there was rewritten since."""
        from mvcd.repo.records import stages  # late: start-up

        return stages.check(self._core.store, stage, seal)
