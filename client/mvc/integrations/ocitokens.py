"""What a registry wants to see, as it says in `WWW-Authenticate`: a name and password, or a token.

For a token its server, the `realm`, is asked, with the login if there is one; many give one for reading to
anybody. The login goes nowhere else.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from mvc.api.errors import AuthError, MvcError
from mvc.integrations.ocilogins import RegistryLogin

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_TOKEN = re.compile(r"[\x21-\x7e]+")

Ask = Callable[[str, SplitResult, Mapping[str, str], bytes], tuple[int, bytes]]
"""Sends a request, and answers with the status and the body."""


def authorization(
    challenges: Sequence[str], scope: str, login: RegistryLogin | None, host: str, ask: Ask
) -> str | None:
    """Returns the value of `Authorization` that the registry `host` asks for; None where it asks for a login
    and there is none. Raises AuthError when the token server refuses."""
    asked = {kind.lower(): rest for kind, _, rest in (c.strip().partition(" ") for c in challenges)}
    if "bearer" in asked:
        found = {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(asked["bearer"])}
        return f"Bearer {_token(found, scope, login, host, ask)}"
    if "basic" in asked and login is not None and login.user:
        return login.header
    return None


def _token(
    asked: Mapping[str, str], scope: str, login: RegistryLogin | None, host: str, ask: Ask
) -> str:
    realm = urlsplit(asked.get("realm", ""))
    if not realm.hostname:
        raise _refused(host, "it names no token server", login)
    wanted = {"service": asked["service"]} if asked.get("service") else {}
    wanted["scope"] = scope
    if login is not None and login.identity_token is not None:
        form = {"grant_type": "refresh_token", "client_id": "mvc", **wanted}
        form["refresh_token"] = login.identity_token
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, data = ask("POST", realm, kind, urlencode(form).encode())
    else:
        query = urlencode([*parse_qsl(realm.query), *wanted.items()])
        shown = {} if login is None else {"Authorization": login.header}
        status, data = ask("GET", realm._replace(query=query), shown, b"")
    if status != http.client.OK:
        raise _refused(host, f"its token server answers {status}", login)
    try:
        document = json.loads(data)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise _refused(host, "its token server gives no token", login)
    return token


def _refused(host: str, why: str, login: RegistryLogin | None) -> MvcError:
    again = "" if login is None else ": what is kept may have ended"
    return AuthError(
        f"{host} does not let you in", cause=why,
        help=f"docker login {host}  (or oras login{again})",
    )  # fmt: skip
