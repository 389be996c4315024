"""A TCP proxy that misbehaves on demand: cuts after so many bytes, swallows replies, delays, narrows.

As a program, `proxy.py TARGET DELAY RATE` prints its port and runs until its input ends: what is measured
through it then has no share in its work.
"""

from __future__ import annotations

import queue
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from typing import Self

PIECE = 64 << 10
LATE = 0.02
"""Seconds by which a sleep may be too long without loss: the line makes up for what it did not carry."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST, as a network that is gone does."""


_Line = queue.Queue[tuple[float, bytes | None]]
"""What is under way, and when it is due; an end that is passed on is empty, one that is swallowed is None."""


class Proxy:
    """Listens on `port` of loopback and passes on to `target`, another port there.

    `carried` counts bytes to the server and back, over all connections. `delay` in seconds one way, `rate` in
    bytes a second each way, for all connections together. While `swallowing`, what the server says is lost.
    """

    def __init__(self, target: int, *, delay: float = 0.0, rate: float | None = None) -> None:
        self.target = target
        self.carried = {"up": 0, "down": 0}
        self._left: dict[str, int | None] = {"up": None, "down": None}
        self._delay = delay
        self._rate = rate
        self._free = {"up": 0.0, "down": 0.0}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.cuts = 0
        self.swallowing = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        """Resets every connection once this many more bytes went to the server or came from it. Later ones are
        carried whole until it is said again."""
        with self._lock:
            self._left = {"up": up, "down": down}

    def cut(self) -> None:
        """Resets all connections now."""
        with self._lock:
            victims, self._open = self._open, set()
            self._left = {"up": None, "down": None}
            self.cuts += bool(victims)
        for victim in victims:
            with suppress(OSError):
                victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                victim.shutdown(socket.SHUT_RDWR)
            victim.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()  # it may hold a connection that nobody would cut
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._start(client, server, "up")
            self._start(server, client, "down")

    def _start(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        line: _Line = queue.Queue()
        threading.Thread(target=self._read, args=(source, line, way), daemon=True).start()
        threading.Thread(target=self._write, args=(line, sink), daemon=True).start()

    def _read(self, source: socket.socket, line: _Line, way: str) -> None:
        while True:
            try:
                data = source.recv(PIECE)
            except OSError:
                data = b""
            if self._rate is not None:
                time.sleep(self._pause(way, len(data) / self._rate))
            ended = not data
            data, last = self._allowed(way, data)
            if not (way == "down" and self.swallowing):
                line.put((time.monotonic() + self._delay, data))
            elif ended:
                line.put((0.0, None))
            if last:
                self.cut()
            if ended:
                return

    def _pause(self, way: str, seconds: float) -> float:
        """Until the line has carried what it was given before, and this, which takes it `seconds`."""
        with self._lock:
            now = time.monotonic()
            self._free[way] = max(self._free[way], now - LATE) + seconds
            return max(0.0, self._free[way] - now)

    def _allowed(self, way: str, data: bytes) -> tuple[bytes, bool]:
        """What is still carried of `data`, and whether the line is cut after it."""
        with self._lock:
            left = self._left[way]
            last = left is not None and len(data) >= left
            if left is not None:
                data = data[:left]
                self._left[way] = left - len(data)
            self.carried[way] += len(data)
            return data, last

    def _write(self, line: _Line, sink: socket.socket) -> None:
        while True:
            due, data = line.get()
            if (pause := due - time.monotonic()) > 0:
                time.sleep(pause)
            if data is None:
                return
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                return


if __name__ == "__main__":
    with Proxy(int(sys.argv[1]), delay=float(sys.argv[2]), rate=float(sys.argv[3])) as _proxy:
        print(_proxy.port, flush=True)
        sys.stdin.read()
