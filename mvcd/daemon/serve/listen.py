"""Where a server listens, and which places are safe without TLS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self

from mvcd.errors import UsageError


@dataclass(frozen=True, slots=True)
class Listen:
    host: str
    port: int  # 0: the system chooses one

    @classmethod
    def parse(cls, text: str) -> Self:
        """`HOST:PORT`, `[V6]:PORT` or `:PORT` (all addresses of this machine). Raises UsageError."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if (
            not colon
            or not port.isdecimal()
            or int(port) > 65535
            or (":" in host and not bracketed)
        ):
            raise UsageError(
                f"{text!r} is not HOST:PORT",
                help="for instance 127.0.0.1:7443, [::1]:7443, or :7443 for all addresses",
            )
        return cls(host[1:-1] if bracketed else host or "::", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only processes of this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def require_safe(listen: Listen, *, tls: bool, insecure: bool) -> None:
    """Tokens and content must not cross a network in the clear. Raises UsageError."""
    if not (tls or insecure or listen.loopback):
        raise UsageError(
            f"{listen} can be reached from other machines, and TLS is off",
            kind="plaintext",
            help="--tls-cert FILE --tls-key FILE; behind a proxy that speaks TLS: --insecure",
        )
