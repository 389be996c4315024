"""A proxy on loopback that carries TCP to a server and cuts it: after so many bytes, or on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

STEP = 16 << 10
"""Bytes carried at a time: where a cut falls is true to this."""


class CuttingProxy:
    """Listens on `port`. `cut_after(up=n)` cuts every connection once n more bytes went to the server,
    `down=n` once n more came from it; later connections are carried whole until it is said again.

        with CuttingProxy(server_port) as proxy:
            proxy.cut_after(up=100_000)
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._left: dict[str, int | None] = {"up": None, "down": None}
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = {"up": 0, "down": 0}
        self.cuts = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        with self._lock:
            self._left = {"up": up, "down": down}

    def cut(self) -> None:
        """Every connection, now."""
        with self._lock:
            doomed, self._open = self._open, set()
            self._left = {"up": None, "down": None}
            self.cuts += bool(doomed)
        for one in doomed:
            _end(one)

    def close(self) -> None:
        _end(self._listener)
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
            for way, source, sink in (("up", client, server), ("down", server, client)):
                threading.Thread(
                    target=self._carry, args=(way, source, sink), name="proxy", daemon=True
                ).start()

    def _carry(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(STEP):
                data, last = self._allowed(way, data)
                sink.sendall(data)
                if last:
                    self.cut()
                    return
        for one in (source, sink):
            with self._lock:
                self._open.discard(one)
            _end(one)

    def _allowed(self, way: str, data: bytes) -> tuple[bytes, bool]:
        with self._lock:
            left = self._left[way]
            last = left is not None and len(data) >= left
            if left is not None:
                data = data[:left]
                self._left[way] = left - len(data)
            self.carried[way] += len(data)
            return data, last


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
