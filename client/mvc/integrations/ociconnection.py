"""RegistryConnections to registries: kept open between requests, by TLS except where plain HTTP is meant.

Redirects are the caller's, and so is what a request may carry where.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import IO
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from mvc.api.errors import Failure, UsageError

_TIMEOUT_SECONDS = 120.0
"""Seconds without a byte. A registry that moves a large blob to its place answers only then."""
_BLOCK_BYTES = 1 << 20


def host_of(url: SplitResult) -> str:
    """Returns `HOST[:PORT]` of an address, without the rest, which may hold a secret."""
    return url.netloc.rpartition("@")[2]


def origin_of(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Returns whom an address speaks to: what is secret between two is for one origin. Raises ValueError."""
    usual = http.client.HTTPS_PORT if url.scheme == "https" else http.client.HTTP_PORT
    return url.scheme, url.hostname, url.port or usual


def is_loopback(host: str) -> bool:
    """Whether `HOST[:PORT]` is this machine by its name."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or (
        name.startswith("127.") and not name.strip("0123456789.")
    )


class RegistryConnections:
    """Open connections, one a host. Without `plain` all are by TLS."""

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._of: dict[int, tuple[str, str]] = {}
        self._broken: set[int] = set()  # answers that came before their requests were whole

    def close(self) -> None:
        """Closes all."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def send(
        self,
        method: str,
        url: SplitResult,
        headers: Mapping[str, str],
        body: bytes | Callable[[], IO[bytes]],
    ) -> http.client.HTTPResponse:
        """Sends a request, and returns the answer, of which the body is to be read. A connection that was kept
        may have ended in the meantime: then it is sent again by a new one.

        Raises OSError, http.client.HTTPException; Failure: kind "plain-http".
        """
        self._require_allowed(url)
        place = url.scheme, url.netloc
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        while True:
            kept = self._open.get(place)
            connection = kept or self._connect(url)
            self._open[place] = connection
            try:
                answer, whole = _answered(connection, method, target, headers, body)
            except BaseException as error:
                connection.close()
                del self._open[place]
                if kept is None or not isinstance(
                    error, (ConnectionError, http.client.HTTPException)
                ):
                    raise
                continue
            self._of[id(answer)] = place
            if not whole:
                self._broken.add(id(answer))
            return answer

    def blocks(self, answer: http.client.HTTPResponse, most_bytes: int) -> Iterator[bytes]:
        """Yields the body of an answer. Raises IncompleteRead, OSError."""
        try:
            while block := answer.read(most_bytes):
                yield block
        finally:
            self._let_go(answer)

    def finish(self, answer: http.client.HTTPResponse, most_bytes: int) -> bytes:
        """Returns the beginning of the body, and forgets the rest."""
        try:
            return answer.read(most_bytes)
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            self._let_go(answer)

    def _let_go(self, answer: http.client.HTTPResponse) -> None:
        """Keeps the connection only if nothing of the answer is left on it."""
        place, broken = self._of.pop(id(answer), None), id(answer) in self._broken
        self._broken.discard(id(answer))
        if not answer.isclosed() or broken:
            answer.close()
            if place is not None and place in self._open:
                self._open.pop(place).close()

    def _require_allowed(self, url: SplitResult) -> None:
        if url.hostname and url.scheme in (("https", "http") if self._plain else ("https",)):
            return
        raise Failure(
            f"{host_of(url) or 'the registry'} is to be spoken to without TLS", kind="plain-http",
            cause=f"the registry leads to {url.scheme or 'no'}:// there",
            help="--plain-http  allows it, where the network can be trusted",
        )  # fmt: skip

    def _connect(self, url: SplitResult) -> http.client.HTTPConnection:
        host, port = url.hostname or "", url.port
        if url.scheme == "http":
            return http.client.HTTPConnection(
                host, port, timeout=_TIMEOUT_SECONDS, blocksize=_BLOCK_BYTES
            )
        context = ssl.create_default_context()
        proxy = None if proxy_bypass(host_of(url)) else getproxies().get("https")
        if not proxy:
            return http.client.HTTPSConnection(
                host, port, timeout=_TIMEOUT_SECONDS, context=context, blocksize=_BLOCK_BYTES
            )
        connection = http.client.HTTPSConnection(
            *_proxy_at(proxy), timeout=_TIMEOUT_SECONDS, context=context,
            blocksize=_BLOCK_BYTES,
        )  # fmt: skip
        connection.set_tunnel(host, port)
        return connection


def _proxy_at(text: str) -> tuple[str, int | None]:
    """Host and port of a proxy that asks for no password."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        if (
            url.scheme == "http"
            and url.hostname
            and url.hostname.isprintable()
            and not url.username
        ):
            return url.hostname, url.port
    except ValueError:
        pass
    raise UsageError(
        "https_proxy is no http://HOST:PORT", help="unset https_proxy, or no_proxy=HOST"
    )


def _answered(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | Callable[[], IO[bytes]],
) -> tuple[http.client.HTTPResponse, bool]:
    """The answer, and whether the whole request was sent before."""
    sent = {"User-Agent": "mvc", **headers}
    if isinstance(body, bytes):
        connection.request(method, target, body or None, sent)
        return connection.getresponse(), True
    if connection.sock is None:
        connection.connect()
    whole = False
    with body() as file, suppress(BrokenPipeError, ConnectionResetError):
        # who refuses a large body answers before its end: the answer says why
        connection.request(method, target, file, sent)
        whole = True
    return connection.getresponse(), whole
