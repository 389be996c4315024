"""The part of `Repo` that moves HEAD and brings files to a version, and takes that back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from mvc.api.components import components_of
from mvc.api.opened import Opened, Path
from mvc.api.public import public
from mvc.api.signing import signer_for

if TYPE_CHECKING:
    from mvc.api.commits import CommitResult
    from mvc.api.feed import Feed
    from mvc.api.results import CheckoutResult, Operation


class MoveVerbs(Opened):
    """Methods of `Repo` that move HEAD and the files, and undo."""

    def checkout(
        self, rev: str, *, force: bool = False, components: Iterable[str] | None = None
    ) -> CheckoutResult:
        """Moves HEAD and the files to a version; with `components`, brings just these back (HEAD stays).

        Raises Conflict when unsaved work would be overwritten; `force` keeps it aside for `undo` instead.
        """
        from mvc.api.results import CheckoutResult  # late: start-up
        from mvcd.repo.change import moves

        chosen = components_of(components)
        done = moves.checkout(
            self._core, rev, context=self._context(), force=force, components=chosen
        )
        return public(CheckoutResult, done)

    def restore(
        self, rev: str, *paths: Path, components: Iterable[str] | None = None
    ) -> CheckoutResult:
        """Restores paths or components as a version has them. `undo` brings their content before back."""
        from mvc.api.results import CheckoutResult  # late: start-up
        from mvcd.repo.change import moves

        inside, chosen = self._absolute(paths), components_of(components)
        done = moves.restore(self._core, rev, inside, context=self._context(), components=chosen)
        return public(CheckoutResult, done)

    def rollback(
        self,
        rev: str,
        *,
        message: str | None = None,
        author: str | None = None,
        force: bool = False,
        sign: bool | None = None,
    ) -> CommitResult:
        """Commits an old version's content as a new version, and brings the files to it."""
        from mvc.api.commits import CommitResult  # late: start-up
        from mvcd.repo.change import moves

        context = self._context(author, full=True)
        signer = signer_for(self, sign)
        done = moves.rollback(
            self._core, rev, context=context, message=message, force=force, signer=signer
        )
        return public(CommitResult, done)

    def switch(
        self, name: str, *, create: bool = False, start: str = "HEAD", force: bool = False
    ) -> CheckoutResult:
        """Moves to a branch; `create` makes it first, at `start`."""
        from mvc.api.results import CheckoutResult  # late: start-up
        from mvcd.repo.change import moves

        done = moves.switch(
            self._core, name, context=self._context(), create=create, start=start, force=force
        )
        return public(CheckoutResult, done)

    def undo(self, number: int | None = None) -> Operation:
        """Undoes the last operation (or operation `number`); returns the operation that did so."""
        from mvc.api.results import Operation  # late: start-up
        from mvcd.repo import undo

        return public(Operation, undo.undo(self._core, number, context=self._context()))

    def feed(self, *, after: int | None = None, timeout: float | None = None) -> Feed:
        """Follows the operation log: operations as they are recorded, whoever does, for `for` and `async for`.

        It begins behind operation number `after`, by default with the next one. It ends when `timeout` seconds
        passed without one; without a timeout it does not end.
        """
        from mvc.api.feed import Feed  # late: start-up

        return Feed(self, after, timeout)

    def operations(self, *, limit: int | None = None) -> Iterator[Operation]:
        """Yields the entries of the operation log, newest first."""
        from mvc.api.results import Operation  # late: start-up

        return (public(Operation, found) for found in islice(self._core.operations(), limit))
