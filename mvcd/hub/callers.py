"""Who calls, from a request's headers: a token as Bearer, or as the password of Basic, as git-lfs has it."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from mvcd.wire.host import Caller


def caller_of(request: Request) -> Caller:
    """The caller as far as the request tells; whose token it is the host finds out."""
    host = request.client.host if request.client else ""
    port = request.client.port if request.client else 0
    peer = f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
    loopback = host.startswith("127.") or host in ("::1", "")
    return Caller(peer, token_of(request), loopback=loopback)


def token_of(request: Request) -> str | None:
    """The secret that the request bears; None without one."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or user or None
    return None
