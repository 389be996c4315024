"""The control socket: JSON lines on a Unix socket in a directory that only its owner can enter.

A request is one line, `{"verb": "status", ...}`; its answer is one line, `{"ok": true, ...}` or `{"ok": false,
"error": {"kind", "message", "cause", "help"}}`. A connection may carry many requests, one after the other.
Verbs that go on answering (`follow`) or whose meaning is tied to the connection (`begin`) get a `Channel`.

Bounded: MAX_CLIENTS connections, MAX_LINE_BYTES bytes a request; a peer of another user is turned away.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mvcd.errors import DaemonError, MvcError, UsageError

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 1 << 20
MAX_CLIENTS = 256

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Channel:
    """One connection: what it sends, and what is to be done when it ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = _peer(connection)[0]
        self._lock = threading.Lock()
        self._at_end: list[Callable[[], None]] = []

    def send(self, document: Mapping[str, Any]) -> None:
        """Raises OSError when the peer is gone."""
        data = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._connection.sendall(data)

    def at_end(self, action: Callable[[], None]) -> None:
        self._at_end.append(action)

    def end(self) -> None:
        for action in self._at_end:
            action()


Handler = Callable[[Request, Channel], Answer]


class Control:
    """Serves handlers by verb, one thread a connection. Whoever makes it holds the daemon's lock."""

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # left by a daemon that was killed
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(path)
        os.chmod(path, 0o600)
        self._server.listen(64)
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    # ---------------------------------------------------------------- connections

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._server.accept()
            except OSError:
                continue
            with self._lock:
                crowded = len(self._clients) >= MAX_CLIENTS
                if not crowded:
                    self._clients.add(connection)
            if crowded or not _same_user(connection):
                self._drop(connection)
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="client", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        channel = Channel(connection)
        try:
            with connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE_BYTES + 1):
                    if len(line) > MAX_LINE_BYTES:
                        channel.send(_refusal(UsageError("the request is too long")))
                        return
                    channel.send(self._answer(line, channel))
        except OSError:
            pass  # the peer went away
        finally:
            channel.end()
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            self._clients.discard(connection)
        connection.close()

    def _answer(self, line: bytes, channel: Channel) -> Answer:
        try:
            request = json.loads(line)
            verb = str(request["verb"])
        except (ValueError, TypeError, KeyError):
            return _refusal(UsageError("the request is not understood"))
        handler = self._handlers.get(verb)
        if handler is None:
            return _refusal(DaemonError(f"unknown verb {verb!r}", kind="unknown-verb"))
        try:
            return {"ok": True, **handler(request, channel)}
        except Exception as error:
            return _refusal(_told(verb, error))


def _told(verb: str, error: Exception) -> MvcError:
    """An error as a client may be told of it."""
    if isinstance(error, MvcError):
        return error
    if isinstance(error, (KeyError, TypeError, ValueError)):
        return UsageError(f"the fields of {verb} are not understood", cause=repr(error))
    if not isinstance(error, OSError):
        log.error("verb %s failed", verb, exc_info=error)
    return DaemonError(f"{verb} failed", cause=f"{type(error).__name__}: {error}")


def _refusal(error: MvcError) -> Answer:
    return {
        "ok": False,
        "error": {
            "kind": error.kind, "message": str(error), "cause": error.cause, "help": error.help,
        },
    }  # fmt: skip


def _same_user(connection: socket.socket) -> bool:
    """The directory's mode says so already; this holds where somebody changed it."""
    uid = _peer(connection)[1]
    return uid is None or uid in (os.getuid(), 0)


def _peer(connection: socket.socket) -> tuple[int | None, int | None]:
    """Process and user at the other end (unix(7)); None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None, None
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, 12))
    return pid, uid
