"""systemd's readiness protocol (sd_notify(3)): lines in one datagram; nothing happens elsewhere."""

from __future__ import annotations

import contextlib
import socket


class Notifier:
    def __init__(self, address: str | None) -> None:
        self._address = address

    def send(self, **fields: str) -> None:
        """`send(READY="1", STATUS="...")`. Never fails: a supervisor that went away is no reason to stop."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        text = "\n".join(f"{key}={value}" for key, value in fields.items())
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending,
        ):
            sending.sendto(text.encode(), address)
