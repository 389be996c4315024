"""A registry of OCI in this process: what the distribution specification says of blobs and manifests, with
logins, redirects, and faults by wish."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "ada", "geheim"


@dataclass
class RegistryState:
    """What a registry has, how it behaves, and what it was asked."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)  # by tag and by digest
    login: str | None = None  # "basic" or "bearer"
    redirect: str | None = None  # where blobs are read, and put
    tokens: dict[str, str] = field(default_factory=dict)  # scope by token
    spoil: Callable[[bytes], bytes] | None = None  # what comes of a blob
    cut: int | None = None  # bytes after which the connection is reset instead of a blob's rest
    forgets: bool = False  # of a blob only the digest is kept
    says: dict[str, str] = field(
        default_factory=dict
    )  # digest that it tells of a blob, by the right one
    asked: list[tuple[str, str, str | None]] = field(
        default_factory=list
    )  # method, path, authorization
    refuse: int | None = None  # status for every upload
    host: str = ""

    def count(self, method: str, part: str) -> int:
        return sum(m == method and part in path for m, path, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: RegistryState

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        length = headers.pop("length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _do(self) -> None:
        url, state = urlsplit(self.path), self.state
        self._receive(int(self.headers.get("Content-Length") or 0))
        state.asked.append((self.command, self.path, self.headers.get("Authorization")))
        if url.path == "/token":
            self._token(parse_qs(url.query or self._body.decode()))
        elif url.path.startswith("/v2/") and not self._let_in():
            said = f'Bearer realm="http://{state.host}/token",service="here"'
            self._answer(
                401, WWW_Authenticate=said if state.login == "bearer" else 'Basic realm="here"'
            )
        elif "/blobs/" in url.path:
            self._blob(url.path.partition("/blobs/")[2], parse_qs(url.query))
        else:
            self._manifest(url.path.partition("/manifests/")[2])

    def _receive(self, size: int) -> None:
        hashed, kept = hashlib.sha256(), []
        while size:
            block = self.rfile.read(min(size, 1 << 16))
            size -= len(block)
            hashed.update(block)
            if not self.state.forgets:
                kept.append(block)
        self._body, self._digest = b"".join(kept), f"sha256:{hashed.hexdigest()}"

    do_GET = do_HEAD = do_POST = do_PUT = _do  # noqa: N815 - their names are http.server's

    def _let_in(self) -> bool:
        shown = self.headers.get("Authorization") or ""
        if self.state.login == "basic":
            return shown == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.state.login == "bearer":
            scope = self.state.tokens.get(shown.removeprefix("Bearer "), "")
            return "push" in scope or (self.command in ("GET", "HEAD") and "pull" in scope)
        return True

    def _token(self, asked: dict[str, list[str]]) -> None:
        shown = self.headers.get("Authorization") or ""
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = shown == right or asked.get("refresh_token") == ["again"]
        if not known and "push" in asked["scope"][0]:
            self._answer(401)
            return
        token = f"t{len(self.state.tokens)}"
        self.state.tokens[token] = asked["scope"][0]
        self._answer(200, b'{"token":"%s"}' % token.encode())

    def _blob(self, name: str, query: dict[str, list[str]]) -> None:
        state = self.state
        if self.command == "POST":
            there = state.redirect or ""
            self._answer(202, Location=f"{there}/v2/x/blobs/uploads/one?state=%2Fa")
        elif self.command == "PUT":
            digest = self._digest
            assert query["state"] == ["/a"]
            if state.refuse is not None:
                said = b'{"errors":[{"code":"DENIED","message":"over the quota"}]}'
                self._answer(state.refuse, said)
            elif query["digest"] != [digest]:
                self._answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
            else:
                state.blobs[digest] = self._body
                self._answer(201, Docker_Content_Digest=state.says.get(digest, digest))
        elif name not in state.blobs:
            self._answer(404)
        elif state.redirect and self.command == "GET":
            self._answer(307, Location=f"{state.redirect}{self.path}")
        else:
            data = state.blobs[name]
            if state.cut is not None and self.command == "GET":
                self._break_off(data, state.cut)
                return
            self._answer(200, data if state.spoil is None else state.spoil(data))

    def _break_off(self, data: bytes, at: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:at])
        linger = struct.pack("ii", 1, 0)  # closing sends RST
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def _manifest(self, reference: str) -> None:
        if self.command == "PUT":
            digest = self._digest
            self.state.manifests |= {reference: self._body, digest: self._body}
            self._answer(201, Docker_Content_Digest=digest)
        elif (data := self.state.manifests.get(reference)) is None:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        else:
            self._answer(200, data, Content_Type="application/vnd.oci.image.manifest.v1+json")


@contextmanager
def serving(certificate: str | None = None) -> Iterator[RegistryState]:
    """A registry on a port of this machine, as long as the block runs; by TLS with a key and certificate."""
    state = RegistryState()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        state.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _pass_on(from_: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either side may leave first
        while data := from_.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


@contextmanager
def tunnelling() -> Iterator[tuple[str, list[str]]]:
    """A proxy that leads to wherever CONNECT says: HOST:PORT of its own, and where it was asked to lead."""
    led: list[str] = []

    class Tunnel(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_CONNECT(self) -> None:
            led.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pass_on, args=(there, self.connection))
                back.start()
                _pass_on(self.connection, there)
                back.join()
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Tunnel) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", led
        finally:
            server.shutdown()
            thread.join()
