"""What each answer says of itself: which scripts may run, who may keep it, and packed where that pays."""

from __future__ import annotations

import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "default-src 'self'; frame-ancestors 'none'"
_GUARDS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_UNPACKED_BYTES = 1400
"""Documents up to this go into one packet anyway."""


class Dressed:
    """An application whose answers have all that; `path` of a request is what was sent: %2F divides nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        path = scope["path"] = raw.decode("ascii", "replace")
        may_pack = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        start: Message | None = None  # held back until it is known how long a document is

        async def guarded(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in _GUARDS:
                    found.setdefault(name, value)
                if "/api/v1/" in path:
                    found.setdefault("Cache-Control", "no-store")
                if may_pack and found.get("content-type") == "application/json":
                    start = message
                    return
            elif start is not None:
                begun, start = start, None
                await send(_packed(begun, message))
            await send(message)

        await self._app(scope, receive, guarded)


def _packed(start: Message, body: Message) -> Message:
    """Packs a document that comes in one piece, in place; returns its head, which says so."""
    if not body.get("more_body") and len(body.get("body", b"")) > _UNPACKED_BYTES:
        body["body"] = gzip.compress(body["body"], 6, mtime=0)
        found = MutableHeaders(scope=start)
        found["Content-Encoding"], found["Content-Length"] = "gzip", str(len(body["body"]))
        found.add_vary_header("Accept-Encoding")
    return start
