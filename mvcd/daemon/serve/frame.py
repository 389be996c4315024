"""The gRPC server around whatever it serves: limits, health, reflection, and an end without loss.

Limits hold before anybody is known: those of `wire.server` (calls, metadata, size of messages), 20 s for a
handshake, and a connection without calls is closed after ten minutes, which its owner does not notice. An idle
connection costs no thread.

Drain: from now on new calls are refused (clients try again, elsewhere or later), those under way have their
time, then they are cancelled. What they had sent is kept: a push goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mvcd.daemon.serve.calls import Observer
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import Metrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.errors import Failure
from mvcd.wire.server import MAX_CALLS, MAX_WATCHERS, OPTIONS, THREADS

log = logging.getLogger(__name__)

WORKERS = THREADS + MAX_WATCHERS
"""Threads, made when needed; calls beyond them wait in gRPC's queue, and watchers leave room for others."""

_LIMITS = (
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

Register = Callable[[grpc.Server], None]


class Frame:
    """One server. `start`, then `drain`."""

    def __init__(
        self,
        register: Register,
        services: Sequence[str],
        metrics: Metrics,
        *,
        reflection: bool = False,
    ) -> None:
        """`services` are the full names of what `register` adds; the first one's calls are logged."""
        self._services = services
        self._pool = ThreadPoolExecutor(WORKERS, "call")
        self._server = grpc.server(
            self._pool,
            interceptors=[Observer(metrics, logged=services[0])],
            options=[*OPTIONS, *_LIMITS],
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        register(self._server)
        self._health = health.HealthServicer(
            experimental_non_blocking=True, experimental_thread_pool=ThreadPoolExecutor(1, "health")
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.serving = False
        self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        if reflection:
            from grpc_reflection.v1alpha import reflection as reflecting

            names = [*services, health.SERVICE_NAME, reflecting.SERVICE_NAME]
            reflecting.enable_server_reflection(names, self._server)

    def listen(self, where: Listen, certificates: Certificates | None) -> Listen:
        """Returns where it really listens. Raises Failure when the port is taken."""
        if certificates is None:
            bind = self._server.add_insecure_port
        else:
            credentials = certificates.credentials()

            def bind(address: str) -> int:
                return self._server.add_secure_port(address, credentials)

        return Listen(where.host, self._bind(str(where), bind))

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
        self.serving = True
        self._tell(health_pb2.HealthCheckResponse.SERVING)

    def drain(self, seconds: float) -> None:
        """Returns when no call is left, after `seconds` at the latest (and a moment to cancel)."""
        self.serving = False
        self._health.enter_graceful_shutdown()
        self._server.stop(seconds).wait(seconds + 5.0)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, status: int) -> None:
        for name in ("", *self._services):
            self._health.set(name, status)
