"""Whether calls are answered, found out by making one: through a socket, the event loop and a thread.

A server that lives and answers nobody is worse than a dead one, which is started again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ANSWER_SECONDS = 2.0
"""Within which a call must be answered that takes 2 ms."""
FRESH_SECONDS = 1.0
"""Seconds for which an answer counts: whoever asks often makes no calls for it."""


class Probe:
    """`path` is the Unix socket to listen on, in a directory that only we can enter."""

    def __init__(self, seconds: float = ANSWER_SECONDS) -> None:
        self._directory = tempfile.mkdtemp(prefix="mvcd-probe-")  # 0700
        self.path = os.path.join(self._directory, "s")
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked = 0.0
        self._problem: str | None = None

    def problem(self) -> str | None:
        """None when a call was answered just now."""
        with self._lock:
            if not self._asked or time.monotonic() - self._asked > FRESH_SECONDS:
                self._problem = self._ask()
                self._asked = time.monotonic()
            return self._problem

    def _ask(self) -> str | None:
        """Over a new connection, for which there must be a descriptor."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(f"unix:{self.path}", options) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            try:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=self._seconds)
            except grpc.RpcError as error:
                code = error.code().name if isinstance(error, grpc.Call) else str(error)
                return f"calls are not answered within {self._seconds:g} s ({code})"
        return None

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
