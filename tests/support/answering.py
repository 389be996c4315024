"""An HTTP server that answers as it is told: what a store may say, and what may become of its replies."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass(frozen=True)
class Answer:
    """What one call gets. With `cut`, the connection closes when the request was read, without an answer; with
    `hang`, that long nothing comes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    short: bool = False  # the connection closes in the middle of the body


def error(status: int, code: str, words: str = "", more: str = "") -> Answer:
    """An error as S3, Azure and GCS write it."""
    text = f"<Error><Code>{code}</Code><Message>{words or code}</Message>{more}</Error>"
    return Answer(status, text.encode(), {"Content-Type": "application/xml"})


@dataclass
class Told:
    """A server that is running; `calls` are the methods and paths of the requests that came."""

    url: str
    calls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)


@contextmanager
def answering(
    answer: Callable[[str, str], Answer], certificate: str | None = None
) -> Iterator[Told]:
    """Runs a server until the block ends; `answer` is given a method and a path with its query. With a
    `certificate`, a file that has its key too, it speaks TLS."""

    class Handler(_Handler):
        told: ClassVar[Told]
        decide = staticmethod(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    Handler.told = told = Told(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        told.end.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    told: ClassVar[Told]
    decide: ClassVar[Callable[[str, str], Answer]]
    timeout = 5

    def handle(self) -> None:
        with suppress(ssl.SSLError):  # who does not trust the certificate
            super().handle()

    def _do(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.told.calls.append(f"{self.command} {self.path}")
        self.told.headers.append(dict(self.headers))
        answer = self.decide(self.command, self.path)
        self.close_connection = True
        if answer.hang:
            self.told.end.wait(60)
        if answer.hang or answer.cut:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + answer.short))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815 - names of the library's

    def log_message(self, format: str, *args: object) -> None:
        pass
