"""Addresses without secrets: a token in one would rest in settings, process lists, logs and messages.

They are refused in whatever form (`TOKEN@host`, `user:TOKEN@host`, percent-encoded, as a query, as a fragment,
somewhere in the path), never kept, and never shown. Nothing of gRPC is needed to know them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.errors import UsageError
from mvcd.wire.schemes import GRPCS, Carrier, known_scheme

_TOKEN = re.compile(r"mvct_[A-Za-z0-9_-]{6,}")
_HIDDEN = "***"
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY")
"""Variables that name a proxy, in the order of gRPC (doc/environment_variables.md there): the first that is
set. gRPC does not read the last one, which git, curl and pip do."""
NO_PROXIES = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
"""Variables that name hosts which are reached without it, likewise."""
PROXY_PORT = 80
"""Port of a proxy that names none, as gRPC takes it."""


def require_no_secret(url: str) -> None:
    """Raises UsageError(kind="secret-in-address"), which does not show it."""
    why = _secret(url)
    if why is not None:
        raise UsageError(
            f"an address must not hold a secret: {shown(url)}",
            kind="secret-in-address",
            cause=f"{why}; whoever sees your settings or processes could read it",
            help=_where_secrets_rest(url),
        )


def _where_secrets_rest(url: str) -> str:
    scheme = known_scheme(url)
    if scheme is not None and scheme.carrier is Carrier.BUCKET:
        return (
            "aws configure  (keeps keys where only you can read them), or export AWS_ACCESS_KEY_ID"
        )
    return f"mvc login {_bare(url)}  (asks for the token, and keeps it where only you can read it)"


def shown(url: str) -> str:
    """The address as it may be shown, kept and logged."""
    if _secret(url) is None:
        return url
    scheme, separator, rest = _decoded(url).rpartition("://")
    place, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    hidden = f"{_HIDDEN}@" if "@" in place else ""
    more = f"?{_HIDDEN}" if re.search(r"[?#]", rest) else ""
    text = scheme + separator + hidden + place.rpartition("@")[2] + slash + path + more
    return _TOKEN.sub(_HIDDEN, text)


def _secret(url: str) -> str | None:
    """In which form an address holds one."""
    if _TOKEN.search(_decoded(url)):
        return "it has a token"
    scheme, (_, separator, rest) = known_scheme(url), url.partition("://")
    if not separator or (scheme is not None and scheme.path):
        return None
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = _decoded(place).rpartition("@")
    if at and (scheme is None or not scheme.user or ":" in user or "%" in place):
        return "what stands before the @ may be one"
    plain = _decoded(rest) if scheme is None or scheme.carrier is Carrier.SERVER else rest
    if scheme is not None and re.search(r"[?#]", plain):
        return "what follows a ? or # may be one"
    return None


def _decoded(text: str) -> str:
    """However often it was percent-encoded."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # late: start-up

    while (once := unquote(text)) != text:
        text = once
    return text


def _bare(url: str) -> str:
    scheme, separator, rest = _decoded(url).rpartition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2] if separator else ""
    known = known_scheme(f"{scheme}://")
    scheme = scheme if known is not None and known.carrier is Carrier.SERVER else GRPCS.name
    return f"{scheme}://{_TOKEN.sub('HOST', host) or 'HOST'}"


# ---------------------------------------------------------------------- the way there


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    import ipaddress  # late: start-up

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to a server. `variable` names it, with the value `url`, which may hold a password."""

    variable: str
    url: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """How it may be told, as in `http://proxy:3128, which https_proxy names`."""
        from urllib.parse import urlsplit  # late: start-up

        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}, which {self.variable} names"

    @property
    def authorization(self) -> str:
        """The header by which its user is known there, with its line's end; "" where the variable names
        none (RFC 9110, section 11.7.2)."""
        from base64 import b64encode  # late: start-up
        from urllib.parse import unquote, urlsplit

        user, at, _ = urlsplit(self.url).netloc.rpartition("@")
        word = b64encode(unquote(user).encode()).decode()
        return f"Proxy-Authorization: Basic {word}\r\n" if at else ""


def proxy_for(host: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy through which a host is reached; None for none. A loopback address has none: what is for this
    machine only must not leave it."""
    given = os.environ if environment is None else environment
    named = next(((n, given[n]) for n in PROXIES if given.get(n)), None)
    if named is None or is_loopback(host):
        return None
    except_for = next((given[n] for n in NO_PROXIES if given.get(n)), "")
    if any(_covers(entry.strip(), host) for entry in except_for.split(",")):
        return None
    from urllib.parse import urlsplit  # late: start-up

    name, value = named
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        return Proxy(name, url, parts.hostname or "", parts.port or PROXY_PORT)
    except ValueError:
        return None  # nobody understands it, gRPC neither


def _covers(entry: str, host: str) -> bool:
    """As gRPC reads an entry of no_proxy: the end of a name, or a network."""
    if not entry:
        return False
    if "/" not in entry:
        return host.lower().endswith(entry.lower())
    import ipaddress  # late: start-up

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
