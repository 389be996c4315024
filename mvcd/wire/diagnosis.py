"""Why a server does not answer, found out by knocking at its port: gRPC says the same of all of it, and only
after a minute of trying again.

What no repetition mends is told at once, with the command that does: a certificate that is not trusted, has
expired or is for another name; TLS where there is none, and none where there is; a port where nobody listens,
or from where nothing comes back; a name that nobody knows; a proxy that lets nobody through. Where the
environment names a proxy, the knocking goes through it.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from mvcd.errors import RemoteUnreachable
from mvcd.wire.address import Proxy, proxy_for
from mvcd.wire.schemes import GRPC, GRPCS

KNOCK_SECONDS = 1.6
"""For each knock: time for a packet that was lost, which is sent again after 1 s."""
MAX_PROXY_HEAD_BYTES = 8 << 10
"""Bytes of what a proxy answers."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How an HTTP/2 client begins (RFC 9113, section 3.4), with empty settings."""
_ALERT = 0x15
"""First byte of a TLS alert (RFC 8446, section 5.1)."""

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_EXPIRED, _EARLY, _NAME, _ADDRESS = 10, 9, 62, 64
"""OpenSSL's verify codes; all others mean that the issuer is not trusted."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client connects to. `secure`: over TLS; `roots`: PEM of the certificates to trust, None for the
    usual; `certificate`: whether the client shows one."""

    host: str
    port: int
    url: str
    secure: bool
    roots: bytes | None = None
    certificate: bool = False


def diagnose(place: Endpoint, seconds: float = KNOCK_SECONDS) -> RemoteUnreachable | None:
    """What is wrong for good; None when it may well be better in a moment."""
    proxy = proxy_for(place.host)
    try:
        if proxy is not None:
            found = _through(place, proxy, seconds)
            return _talk(place, found) if isinstance(found, socket.socket) else found
        address = _resolved(place.host, place.port, seconds)
        return _talk(place, socket.create_connection(address, seconds))
    except (OSError, ValueError) as error:
        return _unconnected(place, error)


def _unconnected(place: Endpoint, error: Exception) -> RemoteUnreachable | None:
    way = "check host and port, and whether a VPN or a proxy (https_proxy) is needed to get there"
    if isinstance(error, ConnectionRefusedError):
        return _unreachable(
            place, "refused", f"nobody listens on port {place.port} of {place.host}",
            "check the port, and that the server runs: mvcd serve",
        )  # fmt: skip
    if isinstance(error, socket.gaierror):
        return _unreachable(
            place, "unknown-host", f"{place.host} is not known: {error.strerror}",
            "check the name; a remote's: mvc remote set-url NAME URL",
        )  # fmt: skip
    if isinstance(error, TimeoutError):
        why = f"nothing comes back from port {place.port} of {place.host}: a firewall, or nobody is there"
        return _unreachable(place, "no-answer", why, way)
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        why = f"{place.host} cannot be reached from here: {error.strerror}"
        return _unreachable(place, "no-route", why, way)
    return None


def _talk(place: Endpoint, connection: socket.socket) -> RemoteUnreachable | None:
    """What is wrong beyond the connection. One that says nothing may only be busy."""
    with connection:
        try:
            return _secure(place, connection) if place.secure else _plain(place, connection)
        except (OSError, ValueError):
            return None


def _resolved(host: str, port: int, seconds: float) -> tuple[str, int]:
    """An address of a host. A name server that is silent takes 10 s and more to give up, so a thread asks.
    Raises socket.gaierror."""
    found: list[tuple[str, int]] = []
    failed: list[socket.gaierror] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append((str(answers[0][4][0]), port))
        except socket.gaierror as error:
            failed.append(error)
        except (OSError, UnicodeError, IndexError):
            pass

    thread = threading.Thread(target=ask, name="mvc-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    raise (
        failed[0]
        if failed
        else socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
    )


def _through(
    place: Endpoint, proxy: Proxy, seconds: float
) -> socket.socket | RemoteUnreachable | None:
    """A connection through a proxy, by its own method CONNECT (RFC 9110, section 9.3.6)."""
    try:
        connection = socket.create_connection(_resolved(proxy.host, proxy.port, seconds), seconds)
    except OSError as error:
        why = (
            "nothing comes back"
            if isinstance(error, TimeoutError)
            else error.strerror or str(error)
        )
        return _stopped(place, proxy, f"the proxy {proxy.shown}, does not answer: {why}")
    try:
        host = f"[{place.host}]" if ":" in place.host else place.host
        line = f"{host}:{place.port}"
        head = f"CONNECT {line} HTTP/1.1\r\nHost: {line}\r\n{proxy.authorization}\r\n"
        connection.sendall(head.encode("ascii"))
        said = _proxy_head(connection)
    except (OSError, UnicodeError):
        connection.close()
        return None
    status = said.partition(b"\r\n")[0].decode("ascii", "replace").split(" ", 1)[-1]
    if status.startswith("2"):
        return connection
    connection.close()
    if status.startswith(("502", "503", "504")):
        return None  # what is behind it may come back
    said_no = f"says {status}" if said.startswith(b"HTTP/") else "speaks no HTTP"
    return _stopped(place, proxy, f"the proxy {proxy.shown}, lets nobody through: it {said_no}")


def _proxy_head(connection: socket.socket) -> bytes:
    said = b""
    while b"\r\n\r\n" not in said and len(said) < MAX_PROXY_HEAD_BYTES:
        more = connection.recv(1024)
        if not more:
            break
        said += more
    return said


def _stopped(place: Endpoint, proxy: Proxy, cause: str) -> RemoteUnreachable:
    return _unreachable(
        place, "proxy", cause,
        f"set {proxy.variable} right, or go without it: no_proxy={place.host} mvc ...",
    )  # fmt: skip


def _unreachable(place: Endpoint, kind: str, cause: str, help: str) -> RemoteUnreachable:
    return RemoteUnreachable(f"{place.url} does not answer", kind=kind, cause=cause, help=help)


# ---------------------------------------------------------------------- over TLS


def _secure(place: Endpoint, connection: socket.socket) -> RemoteUnreachable | None:
    try:
        context = _trusting(place.roots)
    except (ssl.SSLError, ValueError) as error:
        return _unreachable(
            place, "bad-ca", f"the file of certificates to trust has none: {error}",
            "mvc config set remote.NAME.ca FILE  (PEM)",
        )  # fmt: skip
    try:
        return _shake_hands(place, connection, context)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(place, error)
    except ssl.SSLError as error:
        return _unsecured(place, error)


def _trusting(roots: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if roots is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=roots.decode("ascii", "replace"))
    context.set_alpn_protocols(["h2"])
    return context


def _shake_hands(
    place: Endpoint, connection: socket.socket, context: ssl.SSLContext
) -> RemoteUnreachable | None:
    try:
        with context.wrap_socket(connection, server_hostname=place.host) as secured:
            if secured.selected_alpn_protocol() != "h2":
                return _stranger(place)
            if not place.certificate:
                secured.sendall(_PREFACE)
                if not secured.recv(
                    1
                ):  # it asked for one in the handshake, and under TLS 1.3 ends only now
                    return _needed(place)
    except (ConnectionError, TimeoutError):
        return None
    return None


def _distrusted(place: Endpoint, error: ssl.SSLCertVerificationError) -> RemoteUnreachable:
    why = error.verify_message
    if error.verify_code == _EXPIRED:
        return _unreachable(
            place, "certificate-expired", "the server's certificate has expired",
            "whoever runs the server renews it; it is read anew without a restart",
        )  # fmt: skip
    if error.verify_code == _EARLY:
        return _unreachable(
            place, "certificate-early", "the server's certificate is not valid yet",
            f"check the clocks: here it is {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
        )  # fmt: skip
    if error.verify_code in (_NAME, _ADDRESS):
        return _unreachable(
            place, "certificate-name", f"the server's certificate is not for {place.host}: {why}",
            "use a name that it is for, or issue one for this name (subjectAltName)",
        )  # fmt: skip
    return _unreachable(
        place, "certificate-untrusted", f"the server's certificate is not trusted: {why}",
        f"mvc login {_server(place)} --ca FILE  (the certificate, or of who issued it; "
        "or: mvc config set remote.NAME.ca FILE)",
    )  # fmt: skip


def _needed(place: Endpoint) -> RemoteUnreachable:
    return _unreachable(
        place, "certificate-needed", "the server lets in only who shows a certificate that it knows",
        "mvc config set remote.NAME.certificate FILE, and remote.NAME.key FILE",
    )  # fmt: skip


def _unsecured(place: Endpoint, error: ssl.SSLError) -> RemoteUnreachable | None:
    reason = (error.reason or "").upper()
    if "CERTIFICATE_REQUIRED" in reason or (
        "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)
    ):
        return _needed(place)
    if any(word in reason for word in ("WRONG_VERSION", "RECORD_LAYER", "HTTP_REQUEST", "PACKET")):
        if _speaks_http(place):
            return _stranger(place)
        return _unreachable(
            place, "no-tls", f"port {place.port} of {place.host} speaks no TLS",
            f"use {_server(place, 'grpc')}, if that is meant  (beyond this machine: --insecure); else the port "
            "that speaks TLS",
        )  # fmt: skip
    return None


# ---------------------------------------------------------------------- in plain text


def _plain(place: Endpoint, connection: socket.socket) -> RemoteUnreachable | None:
    connection.sendall(_PREFACE)
    try:
        answer = connection.recv(16)
    except (ConnectionError, TimeoutError):
        answer = b""
    if answer[:1] == bytes([_ALERT]) or (not answer and _speaks_tls(place)):
        return _unreachable(
            place,
            "tls",
            f"port {place.port} of {place.host} speaks TLS",
            f"use {_server(place, 'grpcs')}",
        )
    if answer.startswith((b"HTTP/1", b"SSH-")):
        return _stranger(place)
    return None


def _speaks_tls(place: Endpoint) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((place.host, place.port), KNOCK_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=place.host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "").upper()
    except (OSError, ValueError):
        return False


def _speaks_http(place: Endpoint) -> bool:
    """Whether what speaks no TLS is some HTTP server and none of ours."""
    try:
        with socket.create_connection((place.host, place.port), KNOCK_SECONDS) as connection:
            connection.sendall(_PREFACE)
            return connection.recv(16).startswith(b"HTTP/1")
    except OSError:
        return False


def _stranger(place: Endpoint) -> RemoteUnreachable:
    return _unreachable(
        place,
        "no-mvc-server",
        f"something else answers on port {place.port} of {place.host}, no mvcd",
        f"check the port: mvcd serve listens on {GRPCS.port} (grpcs) and {GRPC.port} (grpc) unless it is told "
        "otherwise",
    )


def _server(place: Endpoint, scheme: str = "grpcs") -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{scheme}://{host}:{place.port}"
