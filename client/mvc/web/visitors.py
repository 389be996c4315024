"""Who asks a team's page: by a session's cookie or a token's header, and whether it was the page that asked."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from mvc.api.hosting import Visitor

COOKIE = "mvc_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Browsers take it over https alone, for all paths and no other host."""


def visitor_of(scope: Scope, headers: Headers) -> Visitor:
    """Finds out who asks as far as the request tells; a token in a header counts before a cookie."""
    host, port = scope.get("client") or ("", 0)
    peer = f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Visitor(peer, token=token.strip())
    return Visitor(peer, session=_cookie(headers))


def _cookie(headers: Mapping[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    morsel = found.get(SECURE_COOKIE) or found.get(COOKIE)
    return None if morsel is None else morsel.value


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something was made by the page itself: a foreign one cannot set the header
    `X-MVC`, and browsers say where a request comes from. A proxy may have changed `Host`, so it is asked
    last."""
    if headers.get("x-mvc") != "1":
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    host = headers.get("host", "")
    return bool(host) and headers.get("origin") in (f"http://{host}", f"https://{host}")


def _by_https(headers: Mapping[str, str]) -> bool:
    """Whether the browser came by https, be it to a proxy: a POST says where its page was."""
    return headers.get("origin", "").startswith("https://")


def give(answer: Response, headers: Mapping[str, str], secret: str, *, tls: bool) -> None:
    """Sets the cookie, which ends with the browser."""
    secure = tls or _by_https(headers)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE, secret,
        path="/", secure=secure, httponly=True, samesite="strict",
    )  # fmt: skip


def take(answer: Response) -> None:
    """Removes the cookie."""
    for name in (COOKIE, SECURE_COOKIE):
        answer.delete_cookie(
            name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="strict"
        )
