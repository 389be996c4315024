"""How often and how long a call is made again, and when there is no point in it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from mvcd.errors import MvcError
from mvcd.wire.diagnosis import KNOCK_SECONDS, Endpoint, diagnose
from mvcd.wire.status import may_repeat, retrying

MAX_REFUSALS = 3
"""Times that nobody listens before it is taken for a wrong port: a server that starts takes a second."""
SOON_SECONDS = 2.0
"""Seconds that this takes."""

KNOCK_AFTER_SECONDS = 0.4
"""Seconds after which a first call without an answer is looked into; one over 200 ms and TLS takes 0.8."""


def _unheard(why: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long calls are repeated: from `first` seconds doubling to `most`, for `total` in all."""

    first: float = 0.2
    most: float = 15.0
    total: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    tell: Callable[[str], object] = _unheard
    """Hears why a call is made again, before its first pause."""


class CallPolicy(Protocol):
    """The maker of a call: how patient it is, and what its errors mean."""

    patience: Patience

    def why(self, error: grpc.RpcError) -> MvcError:
        """What a call ended with, in our words."""

    def hopeless(self, error: grpc.RpcError) -> MvcError | None:
        """What no repetition mends."""


class Waits:
    """The pauses of one call that is repeated."""

    def __init__(self, peer: CallPolicy) -> None:
        self._peer = peer
        self._patience = patience = peer.patience
        self._pause = patience.first
        self._end = patience.clock() + patience.total
        self.count = 0

    def moved(self) -> None:
        """Something came: patience begins anew."""
        self._pause = self._patience.first
        self._end = self._patience.clock() + self._patience.total

    def again(self, error: grpc.RpcError) -> None:
        """Waits before the next try. Raises when there is none: it is not that kind of error, it is late, or
        there is something that no waiting mends."""
        patience, peer = self._patience, self._peer
        if not may_repeat(error):
            raise peer.why(error) from None
        hopeless = peer.hopeless(error)
        if hopeless is not None and (hopeless.kind != "refused" or self.count >= MAX_REFUSALS):
            raise hopeless from None
        if patience.clock() + self._pause > self._end:
            raise peer.why(error) from None
        self.count += 1
        if self.count == 1:
            seconds = patience.total if hopeless is None else min(patience.total, SOON_SECONDS)
            patience.tell(retrying(peer.why(error), seconds))
        patience.sleep(self._pause * (0.5 + patience.jitter() / 2))
        self._pause = min(self._pause * 2, patience.most)


def first_answer(call: Any, place: Endpoint, patience: Patience) -> Any:
    """What a call (grpc.Future) to somebody answers of whom nobody has heard yet. While it waits, there is a
    knock at the port: gRPC would try for a minute to connect to where packets vanish."""
    try:
        return call.result(timeout=KNOCK_AFTER_SECONDS)
    except grpc.FutureTimeoutError:
        begun = time.monotonic()
        found = diagnose(place)
        mute = found is None and time.monotonic() - begun >= KNOCK_SECONDS
    if found is not None and not call.done():
        call.cancel()
        raise found
    if mute and not call.done():
        patience.tell(
            f"{place.url} takes the connection and says nothing yet; waiting for up to "
            f"{patience.total:.0f} s"
        )
    return call.result()


def reconnecting(patience: Patience) -> list[tuple[str, int]]:
    """gRPC connects anew as often as calls are made anew. By itself it waits 1 s, then up to 120 s, and calls
    fail meanwhile without a try: a server that was away for 20 s is found after 27."""
    return [
        ("grpc.initial_reconnect_backoff_ms", int(1000 * patience.first)),
        ("grpc.max_reconnect_backoff_ms", int(1000 * patience.most)),
    ]
