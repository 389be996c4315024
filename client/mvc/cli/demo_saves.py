"""How each iteration of the demo becomes a version: exactly one, whatever becomes of the daemon.

As long as mvcd is there and answers, it saves, as it does for any training program. When it does not come, does
not answer in time or dies, it is ended for certain, and only then is looked for the version: what it had saved
by then stands, what not is committed here, and so is all that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mvc import daemon_client
from mvc.api.errors import DaemonError, Failure, with_cause
from mvc.cli.own_daemon import SAVE_SECONDS, own_daemon
from mvc.cli.own_process import OwnProcess
from mvc.training import checkpoint
from mvc.training.unsaved import muted

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.cli.face import Face


def title(iteration: int) -> str:
    """The first line of an iteration's version."""
    return f"iteration {iteration}"


class Saves:
    """`with` it. `problem` says why there is no daemon, from the beginning or any longer; else None."""

    def __init__(self, face: Face, repo: Repo, author: str, *, lost: Callable[[str], None]) -> None:
        """`lost` hears once why the daemon no longer saves."""
        self.problem: str | None = None
        self._face = face
        self._repo = repo
        self._author = author
        self._lost = lost
        self._stack = ExitStack()
        self._daemon: OwnProcess | None = None
        self._block: checkpoint | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(muted())  # that nothing is saved by itself is for us to say
        try:
            with self._face.waiting("mvcd to start"):
                self._daemon = self._stack.enter_context(own_daemon())
                self._stack.callback(self._abandon)
                daemon_client.ask("watch", root=self._repo.root, author=self._author)
                self._begin()
        except DaemonError as problem:
            self._give_up(problem)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def save(self, iteration: int) -> str:
        """All files of the iteration are there: answers its version."""
        version = None
        if self._daemon is not None:
            try:
                with self._face.waiting(f"mvcd to save iteration {iteration}"):
                    version = self._saved(iteration)
                    self._begin()
            except DaemonError as problem:
                self._give_up(problem)
                self._lost(str(self.problem))
        return version or self._committed(iteration)

    # ---------------------------------------------------------------- by the daemon

    def _begin(self) -> None:
        """Opens the block of the next iteration. Outside one the daemon could take half an iteration for whole,
        so a block that did not open is as bad as no daemon."""
        self._block = checkpoint(self._repo.root).__enter__()
        if not self._block.open:
            raise DaemonError("mvcd does not answer", kind="no-answer")

    def _saved(self, iteration: int) -> str:
        """Ends the iteration's block; answers the version that the daemon made of it. Raises DaemonError."""
        assert self._block is not None
        self._block.message = title(iteration)
        self._block.__exit__(None, None, None)
        if self._block.future is None:
            raise DaemonError(self._block.problem or "mvcd does not answer", kind="no-answer")
        try:
            return self._block.future.result(SAVE_SECONDS).version
        except TimeoutError as late:
            raise DaemonError("mvcd does not answer", kind="no-answer", cause=str(late)) from None

    def _abandon(self) -> None:
        """Lets go of the block that is open: nothing was written in it, or nobody is there to save it."""
        if self._block is not None:
            self._block.__exit__(DaemonError, None, None)
            self._block = None

    def _give_up(self, problem: DaemonError) -> None:
        self.problem = with_cause(problem)
        if self._daemon is not None:
            with self._face.waiting("mvcd to end"):
                self._daemon.end()
            self._daemon = None

    # ---------------------------------------------------------------- by ourselves

    def _committed(self, iteration: int) -> str:
        newest = next(iter(self._repo.log(limit=1)), None)
        if newest is not None and _heads(newest.message, iteration):
            return newest.id  # the daemon had saved it, and could not tell
        try:
            return self._repo.commit(title(iteration), sign=False).version
        except Failure as problem:
            if problem.kind != "nothing-to-commit":
                raise
            return self._repo.show().id  # what the daemon had captured is a version by now


def _heads(message: str, iteration: int) -> bool:
    return message.splitlines()[:1] == [title(iteration)]
