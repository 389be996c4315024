"""The part of `Repo` that makes versions without a workspace: of files from anywhere, on any branch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, Self

from mvc.api.opened import Opened, Path
from mvc.api.public import public
from mvc.api.signing import signer_for
from mvcd.errors import Failure, UsageError
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.entry import Mode
from mvcd.objects.version import Trigger

if TYPE_CHECKING:
    from mvc.api.commits import CommitResult
    from mvcd.repo.change.edits import Content
    from mvcd.repo.records.results import Context
    from mvcd.repo.restore.early_home import Home


class Executable(bytes):
    """The bytes of a file that may be run."""


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link with the text `target`."""

    target: str


Source = Path | bytes | Executable | Symlink | tuple[str, str] | None
"""A source of what comes to a path of a version: a file or directory on disk, bytes, (revision, path) of what
another version has, or None, which removes the file or directory that is there."""

TriggerName = Literal["manual", "auto", "import"]


class WriteVerbs(Opened):
    """Methods of `Repo` that make versions without a workspace."""

    def write(
        self,
        branch: str,
        files: Mapping[str, Source],
        message: str,
        *,
        expect: str | None = None,
        replace: bool = False,
        parents: Iterable[str] | None = None,
        author: str | None = None,
        time: datetime | None = None,
        trigger: TriggerName = "manual",
        git_commit: str | None = None,
        allow_empty: bool = False,
        sign: bool | None = None,
    ) -> CommitResult:
        """Makes the next version of `branch`: its newest version, edited by `files`, or (`replace`) just these.

        `files` has for each path of the version what comes there: a file or directory on disk, bytes, an
        Executable or Symlink, a pair (revision, path) of what another version has, or None to remove what is
        there. A branch that is not there is made. Nothing of a workspace is read or changed, so a repository
        needs none; a branch that one has checked out is refused.

        `expect` is the revision that the branch has to be at, "v0" for one that must not be there yet. Without
        it, writers that come at once follow one another, and none is lost. `parents` are the versions that it
        follows, the first one being what is edited. `author`, `time`, `trigger` and `git_commit` are what the
        version says of itself; the operation log has who wrote it, and when. A version with the trigger
        "import" was made elsewhere: it says nothing of this program and machine.

        Raises Conflict: kind "checked-out", "ref-changed" where the branch is not at `expect`; Failure:
        "nothing-to-commit", "no-such-path", "unreadable-file", "unstable-file"; UsageError for a path that no
        version may have.
        """
        from mvc.api.commits import CommitResult  # late: start-up
        from mvcd.repo.change import outside

        context = self._context(author, full=trigger != "import")
        how = outside.WriteOptions(
            message,
            context if author is None else self._context(),  # to find who we are may ask git
            made=_made(context, time, git_commit),
            trigger=Trigger[trigger.upper()],
            parents=None if parents is None else [self._core.resolve(rev) for rev in parents],
            allow_empty=allow_empty,
            signer=signer_for(self, sign),
        )
        changes = {path: self._content(source) for path, source in files.items()}
        known = None if expect is None else self._core.resolve(expect)
        done = outside.write(self._core, branch, changes, how, expect=known, whole=replace)
        return public(CommitResult, done)

    def transaction(
        self,
        branch: str,
        message: str,
        *,
        expect: str | None = None,
        replace: bool = False,
        author: str | None = None,
        time: datetime | None = None,
        trigger: TriggerName = "manual",
    ) -> Transaction:
        """Gathers the changes of a `with` block, which become one version of `branch` when it ends. A block
        that raises makes none, and one that changes nothing makes none either. What the version says of itself
        is as for `write`."""
        how = _Written(expect, replace, author, time, trigger)
        return Transaction(self, branch, message, how)

    def _content(self, source: Source) -> Content:
        if isinstance(source, tuple):
            from mvcd.repo.change.edits import Copied  # late: start-up

            rev, path = source
            return Copied(self._core.resolve(rev), path)
        if isinstance(source, (Executable, Symlink)):
            from mvcd.repo.change.edits import OfMode  # late: start-up

            if isinstance(source, Executable):
                return OfMode(bytes(source), Mode.EXECUTABLE)
            return OfMode(os.fsencode(source.target), Mode.SYMLINK)
        if source is None or isinstance(source, bytes):
            return source
        return os.path.abspath(source)


def _made(context: Context, time: datetime | None, git_commit: str | None) -> Context:
    if time is not None:
        local = time.astimezone() if time.tzinfo is None else time
        offset = local.utcoffset()
        minutes = 0 if offset is None else int(offset.total_seconds()) // 60
        micros = round(local.timestamp() * 1_000_000)
        context = replace(context, time_us=micros, utc_offset_minutes=minutes)
    if git_commit is not None:
        context = replace(context, git_commit=git_commit, git_dirty=False)
    return context


class _Written(NamedTuple):
    """How `write` is called at the end of a transaction."""

    expect: str | None
    replace: bool
    author: str | None
    time: datetime | None
    trigger: TriggerName


class Transaction:
    """Changes that become one version together. Use it in `with`; `result` is the version, once the block has
    ended, or None if the branch has all of it already."""

    def __init__(self, repo: WriteVerbs, branch: str, message: str, how: _Written) -> None:
        self._repo, self._branch, self._how = repo, branch, how
        self.message = message
        self.result: CommitResult | None = None
        self._files: dict[str, Source] = {}
        self._home: Home | None = None
        self._open: list[BinaryIO] = []

    def write(self, path: str, source: Path | bytes | Symlink) -> None:
        """Puts a file or directory on disk, bytes, an Executable or a Symlink at `path`. The disk is read when
        the block ends."""
        self._files[path] = source

    def open(self, path: str) -> BinaryIO:
        """Opens a file that comes to `path`, for writing. It has to be closed before the block ends."""
        spool = os.path.join(self._spool(), str(len(self._open)))
        file = open(spool, "xb")  # noqa: SIM115 - the caller closes it
        self._open.append(file)
        self._files[path] = spool
        return file

    def copy(self, rev: str, source: str, path: str) -> None:
        """Puts what version `rev` has at `source`, a file or a directory, at `path`; nothing of it is read."""
        self._files[path] = (rev, source)

    def remove(self, path: str) -> None:
        """Removes a file or directory."""
        self._files[path] = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._files:
                self._require_closed()
                self.result = self._written()
        finally:
            for file in self._open:
                file.close()
            if self._home is not None:
                self._home.remove()

    def _written(self) -> CommitResult | None:
        try:
            how = self._how
            return self._repo.write(
                self._branch, self._files, self.message, expect=how.expect, replace=how.replace,
                author=how.author, time=how.time, trigger=how.trigger,
            )  # fmt: skip
        except Failure as failure:
            if failure.kind != "nothing-to-commit":
                raise
            return None

    def _require_closed(self) -> None:
        if not all(file.closed for file in self._open):
            raise UsageError(
                "a file of the transaction is still open",
                cause="what is written to it may not be complete",
                help="close it before the block ends: with transaction.open(path) as file",
            )

    def _spool(self) -> str:
        from mvcd.repo.restore.early_home import WRITTEN, Home  # late: start-up

        if self._home is None:
            self._home = Home(self._repo._core.place.directory, WRITTEN)
        return self._home.path
