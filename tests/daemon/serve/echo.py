"""Something to serve that is not mvc: so the frame is tested by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc

from mvcd.daemon.serve import calls
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.run import ServerPlan
from mvcd.daemon.serve.tls import Certificates

SERVICE = "mvc.test.Echo"
HERE = Listen("127.0.0.1", 0)


class Echo:
    """`Say` answers what it was told, `Wait` when `release` is set, `Count` streams, `Fail` fails."""

    services = (SERVICE,)

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.entered = threading.Event()
        self.release = threading.Event()
        self.ended: list[str] = []

    def register(self, server: grpc.Server) -> None:
        unary = grpc.unary_unary_rpc_method_handler
        handlers = {
            "Say": unary(lambda request, context: request),
            "Wait": unary(self._wait),
            "Fail": unary(self._fail),
            "Refuse": unary(self._refuse),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])

    def _wait(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        calls.name("ada")
        self.entered.set()
        assert self.release.wait(30.0)
        return request

    def _fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        raise ZeroDivisionError

    def _refuse(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

    def _count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        calls.name("ada")
        for n in range(int(request)):
            yield b"%d" % n

    def self_test(self) -> None: ...

    def problem(self) -> str | None:
        return None

    def end_streams(self) -> None:
        self.ended.append("streams")

    def close(self) -> None:
        self.ended.append("closed")

    def repositories(self) -> int:
        return 7


def plan(certificates: Certificates | None = None, *, drain: float = 10.0) -> ServerPlan:
    return ServerPlan(HERE, certificates, HERE, reflection=True, drain=drain)
