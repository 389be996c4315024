"""The ASGI application of `mvcd.hub` on a port of its own, run by uvicorn in a thread with its own loop.

TLS has the files of the gRPC server. A certificate of the client is demanded where the server demands one, but
here it only lets in; who calls the token tells.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.errors import Failure

if TYPE_CHECKING:
    from mvcd.hub.app import CallListener, HttpCall
    from mvcd.team.host import TeamHost

log = logging.getLogger("mvcd.serve")
calls = logging.getLogger("mvcd.calls")

LIBRARIES = ("starlette", "uvicorn", "lz4")
BACKLOG_CONNECTIONS = 256
KEEP_ALIVE_SECONDS = 75
"""Seconds that a connection without a request stays open."""
HEAD_BYTES = 64 << 10
"""Bytes of a request's line and headers."""


def require_extra() -> None:
    """Raises Failure(kind="needs-extra") where the libraries of the extra `hub` are not installed."""
    absent = [name for name in LIBRARIES if find_spec(name) is None]
    if absent:
        raise Failure(
            "mvcd serve --hub needs the extra hub",
            kind="needs-extra",
            cause=f"there is no {' and no '.join(absent)}",
            help="pip install 'mvcd[hub]'",
        )


class HubServer:
    """Serves from `start` to `end`; `listen` is where, with the port that the system chose."""

    def __init__(
        self,
        listen: Listen,
        host: TeamHost,
        certificates: Certificates | None,
        metrics: ServerMetrics,
    ) -> None:
        """Raises Failure when it cannot listen, or the extra is not installed."""
        require_extra()
        import uvicorn  # late: an extra

        from mvcd.hub.app import make_app  # late: an extra
        from mvcd.hub.groups import hub_groups
        from mvcd.hub.site import HubSite

        self._socket = _bound(listen)
        self.listen = Listen(listen.host, self._socket.getsockname()[1])
        self._site = HubSite.of(host)
        config = uvicorn.Config(
            make_app(hub_groups(self._site), _told_by(metrics)),
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
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Takes no more requests; returns when none is left, after `seconds` at the latest."""
        self._server.config.timeout_graceful_shutdown = max(1, int(seconds))
        self._server.should_exit = True
        if self._thread.ident is None:
            self._socket.close()
        else:
            self._thread.join(seconds + 5.0)
        self._site.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except Exception:
            log.exception("the server of --hub ended")


def _bound(listen: Listen) -> socket.socket:
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
            help="--hub HOST:PORT, another port",
        ) from None


def _told_by(metrics: ServerMetrics) -> CallListener:
    from mvcd.hub.app import CallListener  # late: an extra

    class _Told(CallListener):
        """One log line and one count for each request, as for calls of gRPC."""

        def begun(self) -> None:
            metrics.begin()

        def ended(self, call: HttpCall) -> None:
            metrics.end(call.endpoint, str(call.status), call.seconds, call.received, call.sent)
            fields = {
                "principal": call.principal,
                "repo": call.repo,
                "call": call.endpoint,
                "path": f"{call.method} {call.path}",
                "code": call.status,
                "ms": round(call.seconds * 1000, 1),
                "received": call.received,
                "sent": call.sent,
                "peer": call.peer,
            }
            calls.info("call", extra={"fields": fields})

    return _Told()
