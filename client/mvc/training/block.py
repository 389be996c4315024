"""`with mvc.checkpoint(...)`: the block inside which files are written, and after which they are whole.

The block is a connection to the daemon. While it is open, nothing below its directory is saved by itself;
when it ends well, all of it is saved at once; when the block raises, or the process dies, the connection ends
without a word and the daemon holds the half-written files back. Training never waits for a save, and never
fails for lack of a daemon.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mvc.api import errors
from mvc.daemon_client import Connection, as_daemon_reads, forbidden
from mvc.training.values import Scalar, log_metrics, workspace_of

log = logging.getLogger("mvc")

ANSWER_SECONDS = 10.0

_open: weakref.WeakSet[Connection] = weakref.WeakSet()
_warned: set[str] = set()


class checkpoint:  # noqa: N801 - it reads as a statement: with mvc.checkpoint(...)
    """Brackets the writing of one checkpoint in `directory`.

    `metrics` go into the workspace's metrics.json when the block ends, and may be added to inside it:

        with mvc.checkpoint("runs/1") as saving:
            ...
            saving.metrics["val_acc"] = evaluate()

    `message` heads the version's own description. Without a daemon a warning is logged, once per process, and
    the program goes on; with `save_here=True` the version is committed by this process instead, which then
    loads the engine and waits until the version is on the disk.

    In distributed training, use it in the one process that writes last (rank 0, after a barrier).
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] = ".",
        *,
        metrics: Mapping[str, Scalar] | None = None,
        message: str = "",
        save_here: bool = False,
    ) -> None:
        self.metrics: dict[str, Scalar] = dict(metrics or {})
        self.message = message
        self._directory = os.path.abspath(directory)
        self._save_here = save_here
        self._connection: Connection | None = None
        self._block = 0
        self._pid = 0

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        os.makedirs(self._directory, exist_ok=True)
        try:
            self._connection = Connection(timeout=ANSWER_SECONDS)
            _open.add(self._connection)
            answer = self._connection.ask(
                "begin",
                directory=as_daemon_reads(self._directory),
                command=_command(),
                python=_python(),
            )
            self._block = answer["block"]
        except errors.MvcError as problem:
            self._away(problem)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if os.getpid() != self._pid:
            return  # a forked child came out of its parent's block: it is not its to end
        if kind is None:
            also = [log_metrics(self.metrics, directory=self._directory)] if self.metrics else []
            self._end(also)
        self._close()

    def _end(self, also: list[str]) -> None:
        if self._connection is not None:
            try:
                self._connection.ask(
                    "end", directory=as_daemon_reads(self._directory), block=self._block, also=also,
                    message=self.message,
                )  # fmt: skip
                return
            except errors.MvcError as problem:
                self._away(problem)
        if self._save_here:
            _commit(self._directory, self.message or "Checkpoint")

    def _away(self, problem: errors.MvcError) -> None:
        self._close()
        if not self._save_here and problem.kind not in _warned:
            _warned.add(problem.kind)
            why = f", {problem.cause}" if forbidden() and problem.cause else ""
            help = f" ({problem.help})" if problem.help else ""
            log.warning("checkpoints are not saved by themselves: %s%s%s", problem, why, help)

    def _close(self) -> None:
        if self._connection is not None:
            _open.discard(self._connection)
            self._connection.close()
            self._connection = None


def _commit(directory: str, message: str) -> None:
    from mvc.api.repo import Repo

    try:
        repo = Repo.open(workspace_of(directory) or directory)
        try:
            repo.commit(message, sign=False)  # nobody is there to type a passphrase
        finally:
            repo.close()
    except errors.MvcError as problem:
        if problem.kind != "nothing-to-commit":
            log.warning("the checkpoint was not saved: %s", problem)


def _command() -> list[str]:
    program, *arguments = sys.argv or [""]
    words = [os.path.basename(program), *arguments]
    return [word.encode("utf-8", "replace").decode() for word in words]


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _forget_parents() -> None:
    """After a fork: the parent's connections are its own; held here, they would outlive it."""
    for connection in list(_open):
        connection.close()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
