"""Certificates from files, read again when they change: a renewed certificate needs no restart.

gRPC asks before each handshake, so looking costs three stats a connection. A renewal writes two files, one
after the other; a pair that does not fit together, or a file that is not whole, is not taken: the server
goes on with what it has and looks again at the next connection.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvcd.errors import UsageError

if TYPE_CHECKING:
    import grpc

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1 << 20

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: the server's chain, its key, and the authorities whose clients are let in, if any."""

    certificate: str
    key: str
    client_ca: str | None = None

    @property
    def paths(self) -> list[str]:
        return [p for p in (self.certificate, self.key, self.client_ca) if p is not None]


class Certificates:
    """What the files hold, as of the last good look. Thread-safe."""

    def __init__(self, files: CertificateFiles) -> None:
        """Raises UsageError when the files are of no use."""
        self._files = files
        self._lock = threading.Lock()
        try:
            self._stamp = _stamp(files)
            self._read = _read(files)
        except (OSError, ValueError) as error:
            raise UsageError(
                "the certificate cannot be used",
                kind="bad-certificate",
                cause=str(error),
                help="--tls-cert: the chain, --tls-key: its private key, both PEM",
            ) from None
        self._refused: Stamp | None = None

    def credentials(self) -> grpc.ServerCredentials:
        import grpc  # late: start-up

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self.renewed,  # type: ignore[arg-type]  # gRPC: "or None for no change"
            self._files.client_ca is not None,
        )

    def context(self) -> ssl.SSLContext:
        """For servers that are not gRPC's: each handshake looks at the files again, as gRPC's do."""
        kept = [_stamp(self._files), _context(self._files)]

        def chosen(handshake: ssl.SSLObject | ssl.SSLSocket, *_: object) -> None:
            try:
                stamp = _stamp(self._files)
                if stamp != kept[0]:
                    kept[:] = stamp, _context(self._files)
            except (OSError, ValueError) as error:
                log.warning("the new certificate is not taken: %s", error)
            handshake.context = kept[1]  # type: ignore[assignment]

        first = _context(self._files)
        first.sni_callback = chosen  # called without a name, too
        return first

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The files' content if it changed since the last call, else None. Never raises: that would end
        the handshake, where the certificate at hand may be good for weeks."""
        with self._lock:
            try:
                stamp = _stamp(self._files)
                if stamp in (self._stamp, self._refused):
                    return None
                self._refused = stamp
                read = _read(self._files)
                if _stamp(self._files) != stamp:
                    self._refused = None
                    return None
            except (OSError, ValueError) as error:
                log.warning("the new certificate is not taken: %s", error)
                return None
            self._stamp, self._read, self._refused = stamp, read, None
            log.info("a new certificate is in use")
            return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        import grpc  # late: start-up

        chain, key, authorities = self._read
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)


def _stamp(files: CertificateFiles) -> Stamp:
    found = [os.stat(path) for path in files.paths]
    return tuple((s.st_mtime_ns, s.st_ino, s.st_size) for s in found)


def _read(files: CertificateFiles) -> tuple[bytes, bytes, bytes | None]:
    """Raises ValueError when key and certificate do not belong together, or are no PEM files."""
    _context(files)
    chain, key = _content(files.certificate), _content(files.key)
    return chain, key, None if files.client_ca is None else _content(files.client_ca)


def _context(files: CertificateFiles) -> ssl.SSLContext:
    """Raises ValueError as `_read` does."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key, password="")
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as error:
        raise ValueError(f"{files.certificate}: {error.reason or error}") from None
    return context


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return data
