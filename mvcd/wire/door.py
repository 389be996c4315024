"""The door of a server: what is known of a call, and who makes it, before its message is waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc

from mvcd.wire.host import Admitter, Caller


class CallContext:
    """What a handler sees of its call: the part of grpc.ServicerContext that ours use. For one thread at a
    time."""

    def __init__(self, call: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._metadata = tuple(call.invocation_metadata() or ())
        self._peer = call.peer() or ""
        self._identities = call.peer_identities()
        self.began = time.monotonic()
        self.active = True
        self.status: grpc.Status | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._metadata

    def peer(self) -> str:
        return self._peer

    def peer_identities(self) -> Any:
        return self._identities

    def is_active(self) -> bool:
        return self.active

    def code(self) -> grpc.StatusCode | None:
        return None if self.status is None else self.status.code

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.abort_with_status(CallStatus(code, details))

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """Leaves the handler with the bare Exception by which grpc's own does."""
        self.status = status
        raise Exception


@dataclass(frozen=True)
class CallStatus(grpc.Status):
    code: grpc.StatusCode
    details: str
    trailing_metadata: Any = None


class Doorkeeper(Protocol):
    def __call__(self, context: CallContext) -> str:
        """Who calls, from what is known before a message. Raises MvcError for nobody. May wait."""

    def now(self, context: CallContext) -> str | None:
        """The same where it is known without waiting, else None. Called on the loop of all calls."""


class HostDoor:
    """Asks a host's admitter. See `Doorkeeper`."""

    def __init__(self, admitter: Admitter) -> None:
        self._admitter = admitter

    def __call__(self, context: CallContext) -> str:
        return self._admitter.admit(caller_of(context))

    def now(self, context: CallContext) -> str | None:
        """See `Doorkeeper`."""
        return self._admitter.admit_now(caller_of(context))


def caller_of(context: grpc.ServicerContext | CallContext) -> Caller:
    """Who calls, from the connection and the metadata."""
    token = None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            token = value.removeprefix("Bearer ").strip()
    peer = context.peer() or ""
    names = tuple(name.decode("utf-8", "replace") for name in context.peer_identities() or ())
    loopback = peer.startswith(("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:"))
    return Caller(peer, token, names, loopback, getattr(context, "began", None))
