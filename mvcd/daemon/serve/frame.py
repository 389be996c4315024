"""The gRPC server around whatever it serves: limits, health, reflection, and an end without loss.

Limits hold before anybody is known: those of `wire.server` (metadata, size of messages), of `wire.front`
(calls, and how long each message may take), 20 s for a handshake; connections are bounded too (connections.py),
and one without calls is closed after ten minutes, which its owner does not notice.

Drain: from now on new calls are refused (clients try again, elsewhere or later), those under way have their
time, then they are cancelled. What they had sent is kept: a push goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mvcd.daemon.serve import health
from mvcd.daemon.serve.calls import Observer
from mvcd.daemon.serve.connections import Connections
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.errors import Failure
from mvcd.wire.front import Front
from mvcd.wire.server import MAX_THREADS, OPTIONS

log = logging.getLogger(__name__)

_LIMITS = (
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

Register = Callable[[Front], None]


class ServerLifetime:
    """One server. `start`, then `drain`."""

    def __init__(
        self,
        register: Register,
        services: Sequence[str],
        metrics: ServerMetrics,
        *,
        reflection: bool = False,
    ) -> None:
        """`services` are the full names of what `register` adds; the first one's calls are logged."""
        self._pool = ThreadPoolExecutor(MAX_THREADS, "call")
        observer = Observer(metrics, logged=services[0])
        self._connections = Connections()
        self._server = Front(
            self._pool,
            interceptors=[observer],
            options=[*OPTIONS, *_LIMITS, *self._connections.options],
            refused=observer.refused,
            stalled=self._connections.drop,
        )
        register(self._server)
        self._health = health.Health(services)
        self._health.register(self._server)
        if reflection:
            from grpc_reflection.v1alpha import reflection as reflecting  # late: start-up

            names = [*services, health.NAME, reflecting.SERVICE_NAME]
            reflecting.enable_server_reflection(names, self._server.aio)

    def listen(self, where: Listen, certificates: Certificates | None) -> Listen:
        """Returns where it really listens. Raises Failure when the port is taken."""
        if certificates is None:
            bind = self._server.add_insecure_port
        else:
            credentials = certificates.credentials()

            def bind(address: str) -> int:
                return self._server.add_secure_port(address, credentials)

        bound = Listen(where.host, self._bind(str(where), bind))
        self._connections.watch(bound.port, lambda: list(self._server.active.values()))
        return bound

    def listen_unix(self, path: str) -> None:
        """A Unix socket; who can reach it is the directory's affair."""
        self._bind(f"unix:{path}", self._server.add_insecure_port)

    def _bind(self, address: str, bind: Callable[[str], int]) -> int:
        try:
            return bind(address)
        except RuntimeError:
            raise Failure(
                f"cannot listen on {address}",
                kind="cannot-listen",
                cause="another process does, or the address is not of this machine",
                help="--listen HOST:PORT, another port",
            ) from None

    def start(self) -> None:
        self._server.start()
        self._health.serving = True

    def drain(self, seconds: float) -> None:
        """Returns when no call is left, after `seconds` at the latest (and a moment to cancel)."""
        self._health.end()
        self._server.stop(seconds).wait(seconds + 5.0)
        self._connections.end()
        self._pool.shutdown(wait=False, cancel_futures=True)
