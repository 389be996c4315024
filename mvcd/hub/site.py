"""What every group of routes is given. A group is a function `routes(site) -> list[Route]` (app.py)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from mvcd.hub.callers import caller_of
from mvcd.hub.passes import Passes
from mvcd.hub.spool import Spool, Spools
from mvcd.repo.contents.pipeline import worker_count
from mvcd.team.host import TeamHost, TeamRepository
from mvcd.team.roles import Identity
from mvcd.wire.host import Access


@dataclass(frozen=True, slots=True)
class HubSite:
    """One server's. `now_us` is its clock, microseconds since 1970."""

    host: TeamHost
    spools: Spools
    passes: Passes
    now_us: Callable[[], int]
    readers: ThreadPoolExecutor
    """Decodes what is sent (filestream.py)."""

    @classmethod
    def of(cls, host: TeamHost) -> Self:
        """A site of these repositories, which stay the caller's. Close it."""
        readers = ThreadPoolExecutor(worker_count(), "hub-read")
        return cls(host, Spools(host.root.uploads), Passes(), host.now_us, readers)

    def close(self) -> None:
        self.readers.shutdown(cancel_futures=True)

    def identity(self, request: Request) -> Identity:
        """Who calls. Raises AuthError(kind="unauthenticated")."""
        found = self.host.identity(caller_of(request))
        request.state.principal = found.principal
        return found

    def repository(self, request: Request, name: str, access: Access) -> TeamRepository:
        """The repository with this name (the team's, see repoids.py) for who makes the request. Raises
        AuthError; NoRepository as if there were none where the caller may not read it."""
        request.state.repo = name
        found = self.host.open(name, caller_of(request), access)
        request.state.principal = found.principal
        return found

    def by_pass(self, request: Request, word: str, access: Access) -> TeamRepository:
        """The repository that a pass is for. Raises AuthError, NoRepository."""
        known = self.passes.find(word)
        request.state.repo = known.repo
        found = self.host.open(known.repo, known.caller, access)
        request.state.principal = found.principal
        return found

    def spool(self, repository: TeamRepository) -> Spool:
        """What waits there for its commit."""
        return self.spools.of(repository.repo_id)
