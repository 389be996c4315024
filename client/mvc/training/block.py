"""`with mvc.checkpoint(...)`: the block inside which files are written, and after which they are whole.

The block is a connection to the daemon. While it is open, nothing below its directory is saved by itself;
when it ends well, all of it is captured before the block is left: what happens to the files afterwards does not
matter. When the block raises, or the process dies, the connection ends without a word and the daemon holds the
half-written files back. Training never waits for a version to be made unless it asks to, and never fails for
lack of a daemon.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mvc.api import errors
from mvc.daemon_client import Connection, as_daemon_reads, forbidden
from mvc.training.outcome import SavedAs, Saving
from mvc.training.unsaved import not_saved, say
from mvc.training.values import Scalar, log_metrics, workspace_of

ANSWER_SECONDS = 10.0
"""Time a block waits for the daemon's answer; after one that did not come, IMPATIENT_SECONDS until it does."""

IMPATIENT_SECONDS = 1.0
ROOM_SECONDS = 60.0
"""Time a block waits for its turn: for earlier captures to be read, or for room."""

WRITER_SECONDS = 2.0
"""Time a block waits for a file of its own that is still open for writing."""

_TAKE_SECONDS = 5.0
_QUIET_SECONDS = 2.0
"""Seconds of waiting that are not worth a line."""

_open: weakref.WeakSet[Connection] = weakref.WeakSet()
_silent = False


class checkpoint:  # noqa: N801 - it reads as a statement: with mvc.checkpoint(...)
    """Brackets the writing of one checkpoint in `directory`.

    `metrics` go into the workspace's metrics.json when the block ends, and may be added to inside it:

        with mvc.checkpoint("runs/1") as saving:
            ...
            saving.metrics["val_acc"] = evaluate()

    `message` heads the version's own description. The block is left when its state is captured; with `wait`,
    when the version is durable. Then, or later, `version` (its id) and `number` say which it is; they are None
    before, and `future` waits for it; `problem` says why there is none.

    Without a daemon, or when it does not answer within 10 seconds, stderr tells how many checkpoints are not
    saved, and the program goes on; with `save_here=True` the version is committed by this process instead,
    which then loads the engine and waits until the version is on the disk.

    In distributed training, use it in the one process that writes last (rank 0, after a barrier).
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] = ".",
        *,
        metrics: Mapping[str, Scalar] | None = None,
        message: str = "",
        wait: bool = False,
        save_here: bool = False,
    ) -> None:
        self.metrics: dict[str, Scalar] = dict(metrics or {})
        self.message = message
        self.future: Saving | None = None
        self._directory = os.path.abspath(directory)
        self._wait = wait
        self._save_here = save_here
        self._connection: Connection | None = None
        self._block = 0
        self._pid = 0
        self.problem = ""

    @property
    def open(self) -> bool:
        """Whether the daemon knows of the block, and holds its files back until it ends."""
        return self._connection is not None

    @property
    def version(self) -> str | None:
        """The id of the version that holds this checkpoint, once it is durable."""
        saved = self._saved()
        return None if saved is None else saved.version

    @property
    def number(self) -> int | None:
        """The number of that version on its branch."""
        saved = self._saved()
        return None if saved is None else saved.number

    def _saved(self) -> SavedAs | None:
        if self.future is None or not self.future.done():
            return None
        try:
            return self.future.result(0.0)
        except errors.DaemonError:
            return None

    # ---------------------------------------------------------------- the block

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        os.makedirs(self._directory, exist_ok=True)
        try:
            self._connection = Connection(timeout=_patience())
            _open.add(self._connection)
            answer = self._ask(
                "begin", command=_command(), python=_python(), cwd=_cwd(), expires=_expiry()
            )
            self._block = answer["block"]
            _tell_missed(answer)
            self._await_read(answer["root"], answer.get("unread", []))
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
                self._take(also)
            except errors.MvcError as problem:
                self._away(problem)
        if self.future is not None:
            return
        if self._save_here:
            self._commit_here()
        if self.future is None:
            not_saved(self.problem)

    def _take(self, also: list[str]) -> None:
        """Ends the block; `future` is set when its state is out of reach."""
        began, told = time.monotonic(), False
        fields: dict[str, Any] = {"also": also, "message": self.message, "expires": _expiry()}
        while True:
            answer = self._ask("end", block=self._block, seconds=_TAKE_SECONDS / 4, **fields)
            fields = {"again": True}
            waiting, waited = str(answer["waiting"]), time.monotonic() - began
            if not waiting:
                break
            if waited >= (WRITER_SECONDS if "open for writing" in waiting else ROOM_SECONDS):
                self.problem = waiting
                return
            if not told and waited >= _QUIET_SECONDS:
                told = True
                say(f"waiting to capture {self._directory}: {waiting}")
        root = workspace_of(self._directory) or self._directory
        if answer.get("capture") is None:
            version = answer.get("version")
            saved = None if version is None else SavedAs(str(version), int(answer["number"]))
            self.future = Saving(root, None, saved)
            return
        self.future = Saving(root, int(answer["capture"]))
        if self._wait:
            self._await(None)
        elif not answer.get("safe", True):
            say(f"waiting until {self._directory} is read: its files cannot be linked or copied")
            self._await(ROOM_SECONDS)

    def _await(self, timeout: float | None) -> None:
        """Until the version is durable; a miss is told."""
        assert self.future is not None
        try:
            self.future.result(timeout)
        except (errors.MvcError, TimeoutError) as problem:
            not_saved(f"{problem}{_because(problem)}")

    def _await_read(self, root: str, captures: list[int]) -> None:
        """The files of this block are in captures that rewriting them in place would reach."""
        began, told = time.monotonic(), False
        for capture in captures:
            future = Saving(root, capture)
            while not future.done():
                waited = time.monotonic() - began
                if waited > ROOM_SECONDS:
                    say(
                        "the checkpoint before is still being read; if it is overwritten, it is missed"
                    )
                    return
                if not told and waited >= _QUIET_SECONDS:
                    told = True
                    say(f"waiting until the checkpoint before in {self._directory} is read")
                try:
                    future.result(_QUIET_SECONDS)
                except TimeoutError:
                    continue
                except errors.DaemonError:
                    break

    # ---------------------------------------------------------------- without the daemon

    def _ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        global _silent  # noqa: PLW0603 - whether the last question of this process went unanswered
        assert self._connection is not None
        try:
            directory = as_daemon_reads(self._directory)
            answer = self._connection.ask(verb, directory=directory, **fields)
        except errors.MvcError as problem:
            _silent = problem.kind == "no-answer"
            raise
        _silent = False
        return answer

    def _away(self, problem: errors.MvcError) -> None:
        self._close()
        why = f", {problem.cause}" if forbidden() and problem.cause else ""
        help = f" ({problem.help})" if problem.help else ""
        self.problem = f"{problem}{why}{help}"

    def _close(self) -> None:
        if self._connection is not None:
            _open.discard(self._connection)
            self._connection.close()
            self._connection = None

    def _commit_here(self) -> None:
        from mvc.api.repo import Repo  # late: start-up

        root = workspace_of(self._directory) or self._directory
        try:
            repo = Repo.open(root)
            try:
                done = repo.commit(
                    self.message or "Checkpoint", sign=False
                )  # nobody is there to type
                self.future = Saving(root, None, SavedAs(done.version, done.number))
            except errors.MvcError as problem:
                if problem.kind != "nothing-to-commit":
                    raise
                head = repo.show()
                self.future = Saving(root, None, SavedAs(head.id, head.number))
            finally:
                repo.close()
        except errors.MvcError as problem:
            self.problem = f"{problem}{_because(problem)}"


def _tell_missed(answer: Mapping[str, Any]) -> None:
    """One line for what was missed since the last block."""
    count, newest = int(answer.get("missed", 0)), answer.get("miss")
    if count and newest:
        what = "1 state was" if count == 1 else f"{count} states were"
        say(f"{what} missed, the last {newest['path']}: {newest['reason']} (mvc watch --status)")


def _because(problem: Exception) -> str:
    cause = getattr(problem, "cause", None)
    return f": {cause}" if cause else ""


def _patience() -> float:
    return IMPATIENT_SECONDS if _silent else ANSWER_SECONDS


def _expiry() -> float:
    """Until when we wait for the answer, by the clock of all processes."""
    return time.time() + _patience()


def _command() -> list[str]:
    program, *arguments = sys.argv or [""]
    words = [os.path.basename(program), *arguments]
    return [word.encode("utf-8", "replace").decode() for word in words]


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _forget_parents() -> None:
    """After a fork: the parent's connections are its own; held here, they would outlive it."""
    for connection in list(_open):
        connection.close()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
