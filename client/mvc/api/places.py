"""Opens the repository that a program names by an address, and brings versions to it.

    a directory             the repository at or above it, with a workspace or without
    grpcs://HOST/TEAM/REPO  a clone that holds the records and no content, below the person's cache directory:
                            content comes chunk by chunk when it is read, and stays

Such a clone stands on no branch, so that each of them can be written. Processes share it; it may be deleted at
any time, and is made again.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING

from mvcd.disk.locks import hold
from mvcd.errors import Busy, Conflict, Failure, NoRepository, UsageError
from mvcd.repo.restore.early_home import WRITTEN, Home

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.api.results import CommitResult
    from mvc.api.write_verbs import Source

_WAITING_SECONDS = 600.0
"""Seconds to wait for others who make the clone, or push from it."""
_PUSH_ATTEMPTS = 50
"""Tries to be the next on a remote's branch while others are faster."""


class Place:
    """An open repository, and whether it stands for a remote one."""

    def __init__(self, repo: Repo, *, remote: bool) -> None:
        self.repo, self.remote = repo, remote
        self._home = Home(repo._core.place.directory, WRITTEN)
        self._numbers = count()

    def refresh(self) -> None:
        """Asks the remote which versions there are by now."""
        if self.remote:
            self.repo.fetch()

    def resolve(self, rev: str) -> str:
        """Returns the id of a revision; a branch is the remote's. Raises Failure: kind "unknown-revision"."""
        if self.remote:
            with contextlib.suppress(Failure):
                return self.repo.resolve(f"origin/{rev}")
        return self.repo.resolve(rev)

    def write(
        self, branch: str, files: Mapping[str, Source], message: str, *, author: str | None = None
    ) -> CommitResult | None:
        """Makes the next version of a branch like `Repo.write`, or None where it has all of it already; of a
        remote's branch, there too when this returns. Raises UsageError: kind "not-a-branch" for a tag or
        another revision that only can be read."""
        self._require_branch(branch)
        try:
            if not self.remote:
                return self.repo.write(branch, files, message, author=author)
            with self.repo:  # of those who share the clone, one at a time moves its branches
                return self._write_there(branch, files, message, author)
        except Failure as failure:
            if failure.kind != "nothing-to-commit":
                raise
            return None

    def _write_there(
        self, branch: str, files: Mapping[str, Source], message: str, author: str | None
    ) -> CommitResult:
        for attempt in range(_PUSH_ATTEMPTS):
            self.repo.fetch()
            theirs = f"origin/{branch}"
            known = theirs in self.repo.fetched_branches()
            self._forget_unsent(branch, theirs if known else None)
            made = self.repo.write(
                branch, files, message, author=author, parents=[theirs] if known else None
            )
            try:
                self.repo.push(branch)
            except Conflict as conflict:
                if attempt == _PUSH_ATTEMPTS - 1 or conflict.kind == "checked-out":
                    raise
                continue
            return made
        raise AssertionError("unreachable")

    def _require_branch(self, name: str) -> None:
        if self._is_branch(name):
            return
        try:
            self.repo.resolve(name)
        except Failure:
            return
        if not self._is_branch(name):  # it may have been made since, by another writer
            raise UsageError(
                f"{name} is no branch, and nothing else can be written",
                kind="not-a-branch",
                help="write to a branch; one that is not there yet is made",
            )

    def _is_branch(self, name: str) -> bool:
        return name in {found.name for found in self.repo.branches()}

    def _forget_unsent(self, branch: str, theirs: str | None) -> None:
        """Drops versions here that did not get to the remote before somebody else's did."""
        here = {found.name: found.version for found in self.repo.branches()}
        if branch in here and (theirs is None or here[branch] != self.repo.resolve(theirs)):
            self.repo.delete_branch(branch, force=True)

    def spool(self) -> io.FileIO:
        """Opens a new file beside the repository, for what is to be written to it. Who closes it removes it."""
        path = os.path.join(self._home.path, str(next(self._numbers)))
        return io.FileIO(path, "x+")

    def close(self) -> None:
        """Closes the repository, and removes what lies beside it."""
        self._home.remove()
        self.repo.close()


class Places:
    """The repositories that a program has open, by address, each once. From any thread; a process that was
    forked opens its own, for a store cannot be used on both sides."""

    def __init__(self) -> None:
        self._open: dict[str, Place] = {}
        self._process = os.getpid()
        self._opening = threading.Lock()

    def at(self, address: str) -> Place:
        """Opens the repository at an address. Raises NoRepository, and what `Repo.clone` raises."""
        with self._opening:
            if self._process != os.getpid():
                self._open, self._process = {}, os.getpid()
            if address not in self._open:
                self._open[address] = _place_at(address)
            return self._open[address]

    def close(self) -> None:
        """Closes all that this process opened; they are opened again when they are needed."""
        with self._opening:
            places, self._open = self._open, {}
        if self._process == os.getpid():
            for place in places.values():
                place.close()


def _place_at(address: str) -> Place:
    from mvc.api.repo import Repo  # late: start-up

    if "://" not in address:
        return Place(Repo.open(os.path.expanduser(address)), remote=False)
    return Place(_clone_of(address), remote=True)


def clones_directory() -> str:
    """Returns the directory of clones that hold records only; it may be deleted."""
    import platformdirs  # late: start-up

    return os.path.join(platformdirs.user_cache_dir("mvc", appauthor=False), "clones")


def _clone_of(url: str) -> Repo:
    from hashlib import sha256  # late: start-up

    from mvc.api.repo import Repo

    parent = clones_directory()
    os.makedirs(parent, mode=0o700, exist_ok=True)
    name = os.path.join(parent, sha256(url.encode()).hexdigest()[:32])
    with open(name + ".lock", "wb") as lock:
        if hold(lock.fileno(), _WAITING_SECONDS) is not None:
            raise Busy(
                f"another process has been cloning {url} for {_WAITING_SECONDS:.0f} s",
                cause=f"it makes the clone in {name}",
                help="try it again",
            )
        try:
            repo = Repo.open(name, lock_timeout=_WAITING_SECONDS)
        except NoRepository:  # or one whose clone was interrupted: it is completed
            Repo.clone(url, name, only=())[0].close()
            repo = Repo.open(name, lock_timeout=_WAITING_SECONDS)
        _leave_branch(repo)
        return repo


def _leave_branch(repo: Repo) -> None:
    """Lets HEAD stand on the empty version: a branch that it stood on could not be written."""
    from mvcd.repo.records.refs import EMPTY_ID, HeadValue  # late: start-up

    core = repo._core
    if core.head_value().branch is not None:
        update = core.move_head(HeadValue(None, EMPTY_ID))
        core.record(repo._context(), "checkout", "checkout v0", [update])
