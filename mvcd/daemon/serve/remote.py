"""The calls of `mvcd.wire` over a host, as something to serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mvcd.daemon.serve import calls
from mvcd.wire.front import Front
from mvcd.wire.host import Access, Caller, CallRepository, Host
from mvcd.wire.server import RemoteService
from mvcd.wire.v1 import remote_pb2


class Repositories:
    """`run.Served` for a host. `directory` is where its data rest, `count` how many repositories it has."""

    services: Sequence[str] = (remote_pb2.DESCRIPTOR.services_by_name["Remote"].full_name,)

    def __init__(
        self,
        host: Host,
        directory: str,
        *,
        count: Callable[[], int],
        self_test: Callable[[], None],
        close: Callable[[], None],
        problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.directory = directory
        self.repositories = count
        self.self_test = self_test
        self.problem = problem
        self._close = close
        self._remote = RemoteService(_Named(host))

    def register(self, server: Front) -> None:
        self._remote.register(server)

    def end_streams(self) -> None:
        self._remote.stopping.set()

    def close(self) -> None:
        self._remote.close()
        self._close()


class _Named:
    """Tells the log whose call it is."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.admitter = host.admitter
        self.caretaker = host.caretaker

    def open(self, repo: str, caller: Caller, action: Access) -> CallRepository:
        hosted = self._host.open(repo, caller, action)
        calls.name(hosted.principal)
        return hosted
