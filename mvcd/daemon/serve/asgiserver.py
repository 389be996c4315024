"""An ASGI application on a port of its own beside the gRPC server, run by uvicorn in a thread with its own
loop.

TLS has the files of the gRPC server. A certificate of the client is demanded where the server demands one, but
here it only lets in; who calls the token tells.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable

from mvcd.daemon.serve.httpcalls import AsgiApp, ToldRequests
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.errors import Failure

log = logging.getLogger("mvcd.serve")

BACKLOG_CONNECTIONS = 256
KEEP_ALIVE_SECONDS = 75
"""Seconds that a connection without a request stays open."""
HEAD_BYTES = 64 << 10
"""Bytes of a request's line and headers."""


class AsgiServer:
    """Serves from `start` to `end`; `listen` is where, with the port that the system chose."""

    def __init__(
        self,
        name: str,
        listen: Listen,
        app: AsgiApp,
        certificates: Certificates | None,
        metrics: ServerMetrics,
        *,
        ending: Callable[[], None] = lambda: None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`name` is that of the option; `ending` ends streams that have no end, `close` comes after the last
        request. Raises Failure when it cannot listen."""
        import uvicorn  # late: an extra

        self.name = name
        self._ending, self._close = ending, close
        self._socket = _bound(name, listen)
        self.listen = Listen(listen.host, self._socket.getsockname()[1])
        config = uvicorn.Config(
            ToldRequests(app, metrics),
            log_config=None,
            log_level="warning",  # its start and end are told by `run`
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
        config.load()
        if certificates is not None:
            config.ssl = certificates.context()
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Takes no more requests; returns when none is left, after `seconds` at the latest."""
        self._ending()
        self._server.config.timeout_graceful_shutdown = max(1, int(seconds))
        self._server.should_exit = True
        if self._thread.ident is None:
            self._socket.close()
        else:
            self._thread.join(seconds + 5.0)
        self._close()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except Exception:
            log.exception("the server of --%s ended", self.name)


def _bound(name: str, listen: Listen) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        both = listen.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (listen.host, listen.port),
            family=family,
            backlog=BACKLOG_CONNECTIONS,
            dualstack_ipv6=both,
        )
    except OSError as error:
        raise Failure(
            f"cannot listen on {listen}",
            kind="cannot-listen",
            cause=str(error.strerror or error),
            help=f"--{name} HOST:PORT, another port",
        ) from None
