"""A connection through the system's ssh, for gRPC to use as a Unix socket.

    gRPC --- DIR/s, a socket in a 0700 directory --- two pumps --- ssh HOST mvcd serve --stdio PATH

The far side starts on demand and ends with its connection, so the other machine needs ssh and mvc, and no
server, port or account of ours. ssh's own forwarding (-L) would spare the pumps, but it is often turned off
(AllowStreamLocalForwarding, a forced command), and its path on the far side would have to be agreed upon first.
The pumps copy 1 MiB at a time, faster than ssh encrypts.

The far side says GREETING when it is ready; what a login script prints before that is skipped. So ssh may ask
for a passphrase as long as it likes before gRPC's timers start. A connection that is lost is made anew when
gRPC dials again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Self
from urllib.parse import unquote, urlsplit

from mvcd.errors import RemoteUnreachable, UsageError
from mvcd.wire.address import require_no_secret

GREETING = b"mvcd stdio 1\n"
MAX_NOISE_BYTES = 64 << 10
"""Bytes of other output before the greeting."""
COPY_BYTES = 1 << 20
REMEMBERED_LINES = 5
"""Lines of ssh's complaints that are kept, for the error that a person sees."""


@dataclass(frozen=True, slots=True)
class SshAddress:
    """`ssh://[user@]host[:port]/path`; a path that begins with `/~/` is below the home there."""

    host: str
    path: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises UsageError."""
        require_no_secret(url)
        try:
            parts = urlsplit(url)
            user, host, port = parts.username, parts.hostname, parts.port
        except ValueError as error:
            raise _unusable(url, str(error)) from None
        path = unquote(parts.path)
        if parts.scheme != "ssh" or not host or path in ("", "/"):
            raise _unusable(url, "it names no host or no path")
        # ssh would take what begins with a dash for an option: -oProxyCommand=... runs a program
        if host.startswith("-") or (user or "").startswith("-") or not path.isprintable():
            raise _unusable(url, "such a host, user or path is not allowed")
        return cls(host, path[1:] if path.startswith("/~/") else path, user, port)

    def command(self, program: Sequence[str] = ("mvcd",)) -> list[str]:
        """What is run here. The far shell sees quoted words."""
        port = ["-p", str(self.port)] if self.port is not None else []
        host = f"{self.user}@{self.host}" if self.user else self.host
        far = " ".join([*map(shlex.quote, program), "serve --stdio", _quoted(self.path)])
        return ["ssh", "-T", *port, "--", host, far]


def _quoted(path: str) -> str:
    """The tilde stays for the far shell to expand."""
    return "~/" + shlex.quote(path[2:]) if path.startswith("~/") else shlex.quote(path)


def _unusable(url: str, cause: str) -> UsageError:
    return UsageError(
        f"{url!r} is no ssh address", kind="bad-url", cause=cause, help="ssh://user@host/path"
    )


class SshTunnel:
    """Open from `open` to `close`, or in a `with`. `target` is what gRPC dials."""

    def __init__(self, command: Sequence[str], directory: str) -> None:
        self._command = command
        self._directory = directory
        self._complaints: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closed = False
        path = os.path.join(directory, "s")
        self.target = f"unix:{path}"
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(path)
        self._listening.listen(4)

    @classmethod
    def open(cls, address: SshAddress, *, program: Sequence[str] = ("mvcd",)) -> Self:
        """Connects, which may ask a person for a passphrase. Raises RemoteUnreachable."""
        directory = tempfile.mkdtemp(prefix="mvc-ssh-")  # 0700
        tunnel = cls(address.command(program), directory)
        try:
            first = tunnel._dial()
        except BaseException:
            tunnel.close()
            raise
        thread = threading.Thread(target=tunnel._accept, args=(first,), name="ssh", daemon=True)
        thread.start()
        return tunnel

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for process in self._processes:
            _end(process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    def _dial(self) -> subprocess.Popen[bytes]:
        """An ssh whose far side is ready. Raises RemoteUnreachable."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            raise RemoteUnreachable("ssh cannot be started", cause=str(error)) from None
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        listening = threading.Thread(
            target=self._hear, args=(process.stderr,), name="ssh-stderr", daemon=True
        )
        listening.start()
        if not _greeted(process.stdout):
            process.wait()
            listening.join(1.0)
            raise self._unreachable(process.returncode)
        return process

    def _hear(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while line := stream.readline(4096):
                text = line.decode("utf-8", "replace").strip()
                if text:
                    self._complaints.append(text)

    def _unreachable(self, code: int) -> RemoteUnreachable:
        host = self._command[-2]
        said = "; ".join(self._complaints)
        missing = code == 127
        return RemoteUnreachable(
            f"{host} does not answer through ssh",
            cause=said or f"ssh ended with code {code}",
            help=f"ssh {host} mvcd --version  (mvc must be on the PATH there)"
            if missing
            else f"ssh {host}  (to see whether it lets you in)",
        )

    def _accept(self, first: subprocess.Popen[bytes] | None) -> None:
        while not self._closed:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            try:
                process = first or self._dial()
            except RemoteUnreachable:
                connection.close()  # gRPC backs off, then dials again
                continue
            first = None
            assert process.stdin is not None
            assert process.stdout is not None
            pump(connection, process.stdout.fileno(), process.stdin.fileno(), process.stdin.close)


def _greeted(stream: IO[bytes]) -> bool:
    """Reads up to the greeting, not a byte further; False at the end of the stream."""
    seen = bytearray()
    while not seen.endswith(GREETING):
        byte = stream.read(1)
        if not byte or len(seen) > MAX_NOISE_BYTES:
            return False
        seen += byte
    return True


def pump(
    connection: socket.socket, source: int, target: int, ended: Callable[[], object]
) -> tuple[threading.Thread, threading.Thread]:
    """Two threads that copy what the connection says to `target` and what `source` says to it, each until
    its end; then the connection is closed. `ended` is called when it has said all."""

    first = threading.Semaphore(1)

    def outward() -> None:
        with suppress(OSError):
            while data := connection.recv(COPY_BYTES):
                write_all(target, data)
        with suppress(OSError):
            ended()
        leave()

    def inward() -> None:
        with suppress(OSError):
            while data := os.read(source, COPY_BYTES):
                connection.sendall(data)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        leave()

    def leave() -> None:
        if not first.acquire(blocking=False):  # the other one has left already
            connection.close()

    threads = (
        threading.Thread(target=outward, name="pump-out", daemon=True),
        threading.Thread(target=inward, name="pump-in", daemon=True),
    )
    for thread in threads:
        thread.start()
    return threads


def write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _end(process: subprocess.Popen[bytes]) -> None:
    """The far side ends when its input does; one that does not is ended."""
    with suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
