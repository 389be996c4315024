"""Plain HTTP on a port of its own, for those who watch the server and speak no gRPC.

    /healthz    200 while the process lives: restart it when this fails
    /readyz     200 while calls are welcome; 503 at the start, while it drains, with a full disk, and when a
                call to itself is not answered in time: send calls elsewhere
    /metrics    counters, in Prometheus' text format

It needs no token and tells no names. Bounded: MAX_CONNECTIONS at once, each with REQUEST_SECONDS to say what it
wants.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import CONTENT_TYPE, ServerMetrics
from mvcd.errors import Failure

MAX_CONNECTIONS = 32
REQUEST_SECONDS = 5.0


class Web:
    """Serves from `start` to `close`; `listen` is where, with the port that the system chose."""

    def __init__(
        self, listen: Listen, metrics: ServerMetrics, ready: Callable[[], str | None]
    ) -> None:
        """`ready` tells why calls are not welcome, None if they are. Raises Failure when it cannot listen."""
        try:
            self._server = _Server(listen, metrics, ready)
        except OSError as error:
            raise Failure(
                f"cannot listen on {listen}",
                kind="cannot-listen",
                cause=str(error.strerror or error),
                help="--http HOST:PORT, another port",
            ) from None
        self.listen = Listen(listen.host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="http", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, listen: Listen, metrics: ServerMetrics, ready: Callable[[], str | None]
    ) -> None:
        if ":" in listen.host:
            self.address_family = socket.AF_INET6
        self.metrics = metrics
        self.ready = ready
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((listen.host, listen.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, "ok\n")
        elif self.path == "/readyz":
            problem = self.server.ready()
            self._answer(503 if problem else 200, f"{problem or 'ok'}\n")
        elif self.path == "/metrics":
            self._answer(200, self.server.metrics.text(), CONTENT_TYPE)
        else:
            self._answer(404, "healthz, readyz, metrics\n")

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, code: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "mvcd"

    def log_message(self, format: str, *arguments: object) -> None:
        """Probes come every few seconds; they are not worth a line."""
