"""Care for repositories that may not open: mvc doctor, mvc verify and mvc repair."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvc.api.context import context_of
from mvc.api.credentials import kept_for
from mvc.api.public import public
from mvc.api.results import Check, Monitor, VerifyReport
from mvcd.errors import Failure, NoRepository
from mvcd.monitor import Silent
from mvcd.repo.care import doctor as doctor_checks
from mvcd.repo.care import healing
from mvcd.repo.care import repair as engine
from mvcd.repo.care.verify import verify_apart
from mvcd.repo.core import connecting, remotes
from mvcd.repo.core.config import Config
from mvcd.repo.core.core import open_at
from mvcd.repo.core.location import find_any
from mvcd.repo.core.wanted import is_partial
from mvcd.store.repair import is_store, survey
from mvcd.store.stores import open_store
from mvcd.team.root import Root, require_directory, require_repository_name

if TYPE_CHECKING:
    from mvcd.store.repair import Repaired


@dataclass(frozen=True, slots=True)
class RepairFinding:
    """One defect of a repository, and what a repair does about it."""

    part: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class RepairReport:
    """Result of a repair; `lost` says what could not be brought back, `kept` where the old files are."""

    done: tuple[str, ...]
    lost: tuple[str, ...]
    kept: tuple[str, ...]
    lost_versions: tuple[str, ...]  # ids of versions that no ref reaches


class RepairPlan:
    """Defects of a repository, found without changing anything; `carry_out` repairs them.

    `path`: a workspace, a directory in one, or a store without one. `store`: where its store is, if the
    settings that told it are lost. Raises NoRepository, Failure.
    """

    def __init__(
        self, path: str | os.PathLike[str] = ".", *, store: str | os.PathLike[str] | None = None
    ) -> None:
        self._plan = engine.look(os.fspath(path), store=None if store is None else os.fspath(store))

    @property
    def root(self) -> str:
        """The directory whose repository is repaired."""
        place = self._plan.place
        return self._plan.store.path if place is None else place.root

    @property
    def findings(self) -> tuple[RepairFinding, ...]:
        """The defects, each with what a repair does about it."""
        return tuple(public(RepairFinding, finding) for finding in self._plan.findings)

    @property
    def broken(self) -> tuple[str, ...]:
        """Refs that no repair can save without the lost content, since they name what cannot be read."""
        return tuple(self._plan.broken)

    @property
    def lost_versions(self) -> tuple[str, ...]:
        """The newest versions that no ref and no operation reaches, as far as the store opens now."""
        return tuple(id.hex() for id in self._plan.lost)

    def carry_out(
        self,
        *,
        lost_found: bool = False,
        id: str | None = None,
        remote: str | None = None,
        monitor: Monitor | None = None,
    ) -> RepairReport:
        """Repairs; with `lost_found` also makes branches `lost/...` for lost versions, with `remote` (a name or
        an address) verifies everything and fetches again what is damaged or missing. Raises Busy, Failure, and
        errors of the connection to the remote."""
        report: Repaired = engine.carry_out(
            self._plan,
            context_of(self.root, None, author=None, full=False),
            lost_found=lost_found,
            id=id,
        )
        if self._plan.place is not None:
            self._heal(report, remote, monitor)
        elif remote is not None:
            self._heal_store(report, remote, monitor or Silent())
        report.lost += engine.look(self.root).broken
        return public(RepairReport, report, lost_versions=self.lost_versions)

    def _heal(self, report: Repaired, remote: str | None, monitor: Monitor | None) -> None:
        """Content: from the files, then from the remote."""
        with open_at(self.root, monitor=monitor) as core:
            core.secret = kept_for
            stored = healing.heal_from_files(core)
            if stored:
                report.done.append(
                    f"stored {stored} damaged objects anew from the workspace's files"
                )
            if remote is not None:
                _tell(report, healing.heal_from_remote(core, remote), remote)
            elif left := len(core.store.damaged()):
                report.lost.append(f"{left} objects are damaged still: mvc repair --from REMOTE")

    def _heal_store(self, report: Repaired, address: str, monitor: Monitor) -> None:
        """A store without a workspace knows no remotes by name."""
        found = remotes.Remote("", remotes.absolute(address))
        peer = connecting.connect(found, kept_for, time.time_ns, monitor.warn)
        path = self._plan.store.path
        try:
            with open_store(path) as store:
                _tell(report, healing.heal_store(store, path, [peer], monitor), found.url)
        finally:
            peer.close()


def _tell(report: Repaired, healed: healing.Healed, source: str) -> None:
    report.done.append(f"fetched {healed.objects} objects from {source}")
    report.lost += [f"{name} is damaged or missing still" for name in healed.left]


def doctor(path: str | os.PathLike[str] = ".") -> tuple[Check, ...]:
    """Checks what a repository stands on, one result per check; none needs it to open. Raises NoRepository."""
    from mvc.api import footing  # late: start-up

    place = os.fspath(path)
    return *doctor_checks.checks(place), *footing.checks(place)


def verify(
    path: str | os.PathLike[str] = ".",
    *,
    read_data: bool = True,
    sample: float = 1.0,
    monitor: Monitor | None = None,
) -> VerifyReport:
    """Verifies like `Repo.verify`, but a repository that does not open too: what cannot be read is a finding.

    Raises NoRepository; Failure and OSError for other reasons than damage.
    """
    place = find_any(os.fspath(path))
    config: Config = place.config()
    report = verify_apart(
        place.store_path(config),
        read_data=read_data,
        sample=sample,
        monitor=monitor or Silent(),
        partial=is_partial(config),
    )
    return public(VerifyReport, report)


def server_plans(
    root: str | os.PathLike[str] | None, name: str | None
) -> tuple[list[RepairPlan], list[str | None]]:
    """Plans repairs of a team server's directory (None: MVC_ROOT, or the current one): of the accounts and
    every repository that is listed or found, or only of the repository `name`. Also returns the ids that the
    accounts know.

    Raises NoRepository, Failure.
    """
    require_directory(root or os.environ.get("MVC_ROOT") or ".", "repaired")
    path = os.path.abspath(root or os.environ.get("MVC_ROOT") or ".")
    known = _known_ids(path)
    found = dict(_stores_below(path))
    if name is not None:
        require_repository_name(name)
        if name not in found:
            raise NoRepository(
                f"there is no repository {name!r} in {path}", kind="no-such-repository",
                help="mvc admin repo list, or name the server's directory: --root DIR",
            )  # fmt: skip
        found = {name: found[name]}
    if not found:
        raise Failure(
            f"{path} is not the directory of a team server", kind="no-server-root",
            help="name the right one: mvc admin repair --root DIR",
        )  # fmt: skip
    plans = [RepairPlan(store) for store in found.values()]
    return plans, [known.get(each) for each in found]


def _known_ids(path: str) -> dict[str, str]:
    """Ids of the repositories by name; nothing where the accounts cannot be read."""
    accounts = os.path.join(path, "accounts")
    if not is_store(accounts) or survey(accounts).findings:
        return {}
    with Root.open(path) as opened:
        return {hosted.name: hosted.id for hosted in opened.accounts.repositories()}


def _stores_below(root: str) -> Iterator[tuple[str, str]]:
    """Names and paths of stores, whole or not: the accounts first, which have no name, then repositories."""
    accounts = os.path.join(root, "accounts")
    if is_store(accounts):
        yield "", accounts
    repos = os.path.join(root, "repos")
    for directory, names, _ in os.walk(repos):
        names.sort()
        if directory != repos and is_store(directory):
            names.clear()
            yield os.path.relpath(directory, repos), directory
