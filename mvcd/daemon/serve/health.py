"""grpc.health.v1 (the gRPC health checking protocol): whether calls are welcome, for those who balance load.

`Check` is answered by the threads that answer all other calls, so its answer says that there are some.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mvcd.wire.front import Front, Pause

NAME = "grpc.health.v1.Health"
POLL_SECONDS = 0.5
"""Seconds between two looks for those who watch."""
_Answer = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Health of these services, and of "", which stands for all of them."""

    def __init__(self, services: Sequence[str]) -> None:
        self._known = frozenset(("", *services))
        self._ended = threading.Event()
        self.serving = False

    def register(self, front: Front) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self, front)  # type: ignore[arg-type]

    def end(self) -> None:
        """Ends for good: those who watch hear it, and their calls end."""
        self.serving = False
        self._ended.set()

    def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._known:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return _Answer(status=self._status(request.service))

    def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse | Pause]:
        told = None
        while context.is_active():
            ended = self._ended.is_set()
            status = self._status(request.service)
            if status != told:
                told = status
                yield _Answer(status=status)
            if ended:
                return
            yield Pause(POLL_SECONDS)

    def _status(self, service: str) -> Any:
        if service not in self._known:
            return _Answer.SERVICE_UNKNOWN
        return _Answer.SERVING if self.serving else _Answer.NOT_SERVING
