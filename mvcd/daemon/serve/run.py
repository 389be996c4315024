"""The life of a server: self-test, serve, drain."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mvcd import __version__
from mvcd.daemon.notify import Notifier
from mvcd.daemon.serve.frame import ServerLifetime
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.probe import Probe
from mvcd.daemon.serve.tls import Certificates
from mvcd.daemon.serve.web import Web
from mvcd.daemon.signals import Ending
from mvcd.wire.front import Front

log = logging.getLogger("mvcd.serve")

LOW_DISK_BYTES = 256 << 20
"""Bytes. Below them `/readyz` says so while there is still room to act."""


class ServedHost(Protocol):
    """What a server is for: a team's repositories, or one's own."""

    services: Sequence[str]

    @property
    def directory(self) -> str:
        """Where its data rest."""

    def register(self, server: Front) -> None: ...

    def self_test(self) -> None:
        """Raises MvcError when it could not serve."""

    def problem(self) -> str | None:
        """Why calls are not welcome just now, as far as the host knows; None if they are."""

    def end_streams(self) -> None:
        """Streams without an end (WatchRefs) end now, so that a drain need not wait for them."""

    def close(self) -> None:
        """After the last call: sessions are flushed, stores closed."""

    def repositories(self) -> int: ...


class ServedBeside(Protocol):
    """Another way in to the same repositories, on an address of its own; `name` is that of its option."""

    name: str
    listen: Listen

    def start(self) -> None: ...

    def end(self, seconds: float) -> None:
        """Returns when no request is left, after `seconds` at the latest."""


Beside = Callable[[ServerMetrics], ServedBeside]


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """`drain` in seconds."""

    listen: Listen
    certificates: Certificates | None
    http: Listen | None
    reflection: bool
    drain: float


class ServerRun:
    """One run, from `start` to the return of `wait`."""

    def __init__(
        self,
        served: ServedHost,
        plan: ServerPlan,
        notifier: Notifier,
        beside: Sequence[Beside] = (),
    ) -> None:
        self._served = served
        self._plan = plan
        self._notifier = notifier
        self._ending = Ending()
        self._state: str | None = "starting"
        self.metrics = ServerMetrics(__version__, time.time())
        self.metrics.gauges["mvcd_repositories"] = ("Repositories here.", served.repositories)
        self.metrics.gauges["mvcd_disk_free_bytes"] = ("Free disk space.", self._disk_free)
        self._frame = ServerLifetime(
            served.register, served.services, self.metrics, reflection=plan.reflection
        )
        self._web: Web | None = None
        self._probe: Probe | None = None
        self._beside = [make(self.metrics) for make in beside]

    def start(self) -> Listen:
        """Serves when it returns. Raises MvcError."""
        plan = self._plan
        if plan.http is not None:
            self._web = Web(plan.http, self.metrics, self._problem)
            self._web.start()
        self._served.self_test()
        where = self._frame.listen(plan.listen, plan.certificates)
        if self._web is not None:
            self._probe = Probe()
            self._frame.listen_unix(self._probe.path)
        self._frame.start()
        for beside in self._beside:
            beside.start()
        self._state = None
        fields = {
            "listen": str(where),
            "tls": plan.certificates is not None,
            "http": str(self._web.listen) if self._web else None,
            "hub": None,
            "web": None,
            **{beside.name: str(beside.listen) for beside in self._beside},
            "version": __version__,
            "pid": os.getpid(),
        }
        log.info("serving", extra={"fields": fields})
        self._notifier.send(READY="1", STATUS=f"serving on {where}")
        return where

    def wait(self, watchdog: float | None) -> None:
        """Until `stop`, or a signal after `hear_signals`; then drains and closes."""
        while not self._ending.wait(watchdog):
            self._notifier.send(WATCHDOG="1")
        self._notifier.send(STOPPING="1", STATUS="finishing calls")
        self.end()

    def hear_signals(self) -> None:
        self._ending.hear(hangups=False)

    def stop(self) -> None:
        self._ending.end()

    def end(self) -> None:
        served, self._state = self._state is None, "draining"
        if served:
            log.info("draining", extra={"fields": {"calls": self.metrics.in_flight}})
        self._served.end_streams()
        for beside in self._beside:
            beside.end(self._plan.drain)
        self._frame.drain(self._plan.drain)
        self._served.close()
        if self._web is not None:
            self._web.close()
        if self._probe is not None:
            self._probe.close()
        if served:
            log.info("ended")

    def _problem(self) -> str | None:
        if self._state is not None:
            return self._state
        if self._disk_free() < LOW_DISK_BYTES:
            return "the disk is full"
        if (problem := self._served.problem()) is not None:
            return problem
        return None if self._probe is None else self._probe.problem()

    def _disk_free(self) -> float:
        disk = os.statvfs(self._served.directory)
        return float(disk.f_bavail * disk.f_frsize)
