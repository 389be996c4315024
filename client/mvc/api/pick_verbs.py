"""The part of `Repo` that takes over what single versions changed, and puts unsaved work aside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mvc.api.opened import Opened
from mvc.api.public import public

if TYPE_CHECKING:
    from mvc.api.picks import Picked, Stash, StashResult


class PickVerbs(Opened):
    """Methods of `Repo` about what single versions changed, and about unsaved work put aside."""

    def cherry_pick(
        self,
        rev: str,
        *,
        ours: Iterable[str] = (),
        theirs: Iterable[str] = (),
        message: str | None = None,
        author: str | None = None,
    ) -> Picked:
        """Does on the current branch what version `rev` changed against its first parent, as a new version.

        `ours` and `theirs` are as in `merge`. Raises MergeConflict, Conflict (kind "would-overwrite") and
        Failure (kind "nothing-to-commit"); nothing was changed then.
        """
        from mvc.api.picks import Picked  # late: start-up
        from mvcd.repo.joining import picking
        from mvcd.repo.joining.threeway import Choices

        done = picking.cherry_pick(
            self._core, rev, Choices(tuple(ours), tuple(theirs)),
            context=self._context(author, full=True), message=message,
        )  # fmt: skip
        return public(Picked, done)

    def revert(
        self,
        rev: str,
        *,
        ours: Iterable[str] = (),
        theirs: Iterable[str] = (),
        message: str | None = None,
        author: str | None = None,
    ) -> Picked:
        """Takes back on the current branch what version `rev` changed, as a new version; the rest stays.

        Raises as `cherry_pick` does.
        """
        from mvc.api.picks import Picked  # late: start-up
        from mvcd.repo.joining import picking
        from mvcd.repo.joining.threeway import Choices

        done = picking.revert(
            self._core, rev, Choices(tuple(ours), tuple(theirs)),
            context=self._context(author, full=True), message=message,
        )  # fmt: skip
        return public(Picked, done)

    def stash(self, message: str | None = None) -> StashResult:
        """Puts unsaved work aside and brings the files to HEAD's version. Raises Failure: kind
        "nothing-to-stash"."""
        from mvc.api.picks import StashResult  # late: start-up
        from mvcd.repo.joining import stash

        return public(StashResult, stash.put_aside(self._core, message, context=self._context()))

    def stashes(self) -> tuple[Stash, ...]:
        """Lists work that was put aside, newest first."""
        from mvc.api.picks import Stash  # late: start-up
        from mvcd.repo.joining import stash

        return tuple(public(Stash, found) for found in stash.stashes(self._core))

    def stashed(self, number: int | None = None) -> Stash:
        """Finds work that was put aside, by default the newest. Raises Failure: kind "unknown-stash"."""
        from mvc.api.picks import Stash  # late: start-up
        from mvcd.repo.joining import stash

        return public(Stash, stash.find(self._core, number))

    def unstash(
        self,
        number: int | None = None,
        *,
        keep: bool = False,
        ours: Iterable[str] = (),
        theirs: Iterable[str] = (),
    ) -> StashResult:
        """Takes work up again that was put aside, by default the newest; the stash goes then, unless `keep`.

        Raises MergeConflict, Conflict (kind "would-overwrite"), Failure (kind "unknown-stash").
        """
        from mvc.api.picks import StashResult  # late: start-up
        from mvcd.repo.joining import stash
        from mvcd.repo.joining.threeway import Choices

        done = stash.take_up(
            self._core, number, Choices(tuple(ours), tuple(theirs)),
            context=self._context(), drop=not keep,
        )  # fmt: skip
        return public(StashResult, done)

    def drop_stash(self, number: int | None = None) -> Stash:
        """Lets go of work that was put aside, by default the newest. Raises Failure: kind "unknown-stash"."""
        from mvc.api.picks import Stash  # late: start-up
        from mvcd.repo.joining import stash

        return public(Stash, stash.drop(self._core, number, context=self._context()).stashed)
