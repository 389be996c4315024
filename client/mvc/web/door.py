"""Who may come in: whoever has the token that the address ends with, once; from then on, a cookie."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie

_TOKEN_BYTES = 32


class Door:
    """The rules of WEB.md, for one server on `port`. `address` is what to open; `origin` what it serves as."""

    def __init__(self, host: str, port: int) -> None:
        self._token: str | None = secrets.token_urlsafe(_TOKEN_BYTES)
        self._session = secrets.token_urlsafe(_TOKEN_BYTES)
        self.cookie = f"mvc_{port}"
        self.origin = f"http://{host}:{port}"
        self.hosts = frozenset(f"{name}:{port}" for name in (host, "127.0.0.1", "localhost"))

    @property
    def address(self) -> str:
        """The address to open; its last part never leaves the browser but for `exchange`."""
        return f"{self.origin}/#token={self._token}" if self._token else f"{self.origin}/"

    def exchange(self, token: object) -> str | None:
        """Gives the value of the cookie for the token, which is void then; None for anything else."""
        if self._token is None or not isinstance(token, str):
            return None
        if not compare_digest(token.encode(), self._token.encode()):
            return None
        self._token = None
        return self._session

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has the cookie."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return found is not None and compare_digest(found.value.encode(), self._session.encode())

    def is_own(self, headers: Mapping[str, str]) -> bool:
        """Whether a request that changes something was made by the page itself."""
        origin = headers.get("origin")
        if origin is None:
            same = headers.get("sec-fetch-site") == "same-origin"
        else:
            same = origin in {f"http://{host}" for host in self.hosts}
        return same and headers.get("x-mvc") == "1"
