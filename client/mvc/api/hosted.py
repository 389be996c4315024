"""A repository of a team server as `Repo` shows it, on behalf of whoever asks."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from mvc.api.errors import AuthError, Failure, UsageError
from mvc.api.opened import Path
from mvc.api.public import moment
from mvc.api.repo import Repo
from mvcd.repo.care.gc import KEEP_OPERATIONS_US, collect_store
from mvcd.repo.records.committed import Context
from mvcd.repo.trust.judging import Trust
from mvcd.team.globs import matches
from mvcd.team.roles import Role
from mvcd.team.teamcore import Rehearsed, TeamCore

if TYPE_CHECKING:
    from mvc.api.diff import Diff
    from mvc.api.pruning import PruneResult
    from mvc.api.results import CollectReport
    from mvcd.store.api import Store
    from mvcd.team.host import TeamHost, TeamRepository

ACTIONS: Final = {
    "tag": Role.WRITE,
    "annotate": Role.WRITE,
    "promote": Role.WRITE,
    "rollback": Role.WRITE,
    "undo": Role.WRITE,
    "prune": Role.MAINTAIN,
}
"""The lowest role, on some ref, with which an action may be tried; what it moves is judged besides."""
MAX_SUMMED_VERSIONS = 20_000
"""Versions whose sizes are added for `RepoSummary.raw`: a second, once for each state of a repository."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The record that an action would leave. `moves` are names of refs with old and new values, in hex (64
    bytes of them)."""

    operation: str
    moves: tuple[tuple[str, str | None, str | None], ...]


@dataclass(frozen=True, slots=True)
class RepoSummary:
    """A repository at a glance. `state`: "good", "empty", "unreadable". `disk` and `raw` in bytes: what the
    packs hold, and all files of all versions; `raw` is None above MAX_SUMMED_VERSIONS. `stages`: number of the
    version that holds each."""

    name: str
    state: str
    role: str
    versions: int = 0
    newest: str | None = None
    number: int = 0
    time: datetime | None = None
    message: str = ""
    stages: tuple[tuple[str, int], ...] = ()
    disk: int = 0
    raw: int | None = 0


class TeamRepo(Repo):
    """A repository that the host has open; there is nothing to close. It has no workspace, and what is shown
    and changed is what the caller may."""

    _hosted: TeamRepository
    _host: TeamHost

    @classmethod
    def _of(cls, host: TeamHost, hosted: TeamRepository) -> TeamRepo:
        """`hosted` as `host` opened it."""
        self = cls._around(_core(host, hosted), hosted.principal)
        self._host, self._hosted = host, hosted
        return self

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a team's repository belongs to the request that it was opened for")

    @property
    def root(self) -> str:
        """The name of the repository: where its files lie is the server's affair."""
        return self._hosted.name

    @property
    def identity(self) -> object:
        """All that answers depend on besides the repository: two callers with equal ones see the same."""
        return self._hosted.repo_id, self._hosted.identity

    @property
    def number(self) -> int:
        """Counts changes of the store: equal numbers, equal answers."""
        return self._core.store.changes()

    @property
    def _audited(self) -> Store:
        """The store with its audit log, for who may read that."""
        return self._hosted.store

    @property
    def role(self) -> str:
        """The highest role on any ref."""
        return self._hosted.role

    @property
    def can(self) -> tuple[str, ...]:
        """The actions that the role allows."""
        role = self._hosted.identity.role(self._hosted.name)
        return tuple(name for name, least in ACTIONS.items() if role is not None and role >= least)

    def require(self, action: str) -> None:
        """Raises AuthError(kind="scope") for an action that `can` has not."""
        if action not in self.can:
            raise AuthError(
                f"{self._hosted.principal} may not {action} in {self.root}", kind="scope",
                cause=f"it takes the role {ACTIONS[action].word}; yours there is {self.role}",
                help=f"ask an administrator: mvc admin grant add {self._hosted.principal} "
                f"{ACTIONS[action].word} --repos {self.root}",
            )  # fmt: skip

    def rehearse(self, act: Callable[[TeamRepo], Any]) -> Rehearsal:
        """Tells what an action would record, judged as if it were done; changes nothing. Raises what it would
        raise."""
        shadow = TeamRepo._around(
            _core(self._host, self._hosted, rehearsing=True), self._hosted.principal
        )
        shadow._host, shadow._hosted = self._host, self._hosted
        try:
            act(shadow)
        except Rehearsed as would:
            moves = tuple((m.name, _shown(m.expect), _shown(m.target)) for m in would.moves)
            return Rehearsal(would.detail, moves)
        return Rehearsal("nothing", ())

    def summary(self) -> RepoSummary:
        """See `RepoSummary`. Reads the records of all versions."""
        from mvcd.repo.history import history, walk  # late: start-up

        core, count, raw = self._core, 0, 0
        found = walk.ancestors(core, history.heads(core, all_refs=True))
        newest = None
        for version in islice(found, MAX_SUMMED_VERSIONS):
            newest = version if newest is None or version.time_us > newest.time_us else newest
            raw += sum(part.size for part in core.version(version.id).components.values())
            count += 1
        whole = next(found, None) is None
        if newest is None:
            return RepoSummary(self.root, "empty", self.role, disk=self.stats().pack_bytes)
        return RepoSummary(
            self.root, "good", self.role, count, newest.id.hex(), newest.generation,
            moment(newest.time_us, newest.utc_offset_minutes), newest.message,
            tuple((one.stage, one.version_number) for one in self.stages() if one.live),
            self.stats().pack_bytes, raw if whole else None,
        )  # fmt: skip

    def diff(self, a: str | None = None, b: str | None = None, **more: Any) -> Diff:
        """See `Repo.diff`. Raises UsageError without `b`: there is no workspace."""
        if b is None:
            raise UsageError("a team's repository has no workspace", help="name two versions")
        return super().diff(a, b, **more)

    def gc(self, *, dry_run: bool = False, **_: Any) -> CollectReport:
        """Counts what a collection would free, all refs kept; those who may see a part of them learn no name by
        that. Raises UsageError without `dry_run`: the server collects by itself."""
        if not dry_run:
            raise UsageError(
                "a team's repository is collected by its server",
                help=f"mvc admin repo gc {self.root}  (where the server runs)",
            )
        now = self._host.now_us()
        return collect_store(
            self._hosted.store, dry_run=True, oldest_us=now - KEEP_OPERATIONS_US, now_us=now,
            monitor=self._core.monitor,
        )  # fmt: skip

    def prune(self, *, dry_run: bool = False) -> PruneResult:
        """See `Repo.prune`. Raises Failure(kind="hidden-refs") for who may not see every ref that keeps
        something, and without `dry_run` what `require` raises."""
        if not dry_run:
            self.require("prune")
        if not self._hosted.sees_all:
            raise Failure(
                "what may be pruned here cannot be told", kind="hidden-refs",
                cause="refs that you may not see keep versions too",
            )  # fmt: skip
        return super().prune(dry_run=dry_run)

    # ---------------------------------------------------------------- what stands on this machine elsewhere

    def _context(self, author: str | None = None, *, full: bool = False) -> Context:  # noqa: ARG002
        return Context(author=self._hosted.principal, time_us=self._host.now_us())

    def _inside(self, path: Path) -> str:
        return posixpath.normpath(str(path))

    def _trust(self, *, required: bool) -> Trust:  # noqa: ARG002 - who names no key trusts none
        accounts, name = self._host.root.accounts, self._hosted.name
        signers = {
            rule.signers for rule in accounts.rules() if rule.signers and matches(rule.repos, name)
        }
        return Trust("\n".join(sorted(signers)) or None, keygen=self._host.keygen)


def _core(host: TeamHost, hosted: TeamRepository, *, rehearsing: bool = False) -> TeamCore:
    path = host.root.repository_path(hosted.name)
    return TeamCore(hosted, path, host.now_us, rehearsing=rehearsing)


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value[:64].hex()
