"""The schemes of a remote's address: one table of all that any place must know of each.

A new scheme takes a row here and, unless one of the carriers takes it, its carrier (`repo.remotes.connect`).
Nothing of gRPC is needed to know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mvcd.errors import UsageError


class Carrier(Enum):
    """What brings us to a repository."""

    DISK = "a directory of this machine"
    SERVER = "a server's port, spoken to over gRPC"
    SSH = "the system's ssh, which starts a server there"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of address. `name` is what stands before `://`; it is empty for a plain path.

    `port` is the one that an address without a port means, and where a server listens unless it is told
    otherwise. A `secure` scheme is encrypted: only such a one carries a token beyond this machine, unless a
    person chose so. With `user`, a name before the @ is a login name; elsewhere it may be a secret.
    """

    name: str
    carrier: Carrier
    example: str
    port: int | None = None
    secure: bool = False
    user: bool = False


SCHEMES = (
    Scheme("grpcs", Carrier.SERVER, "grpcs://host/repo", port=7443, secure=True),
    Scheme("grpc", Carrier.SERVER, "grpc://localhost:port/repo", port=7400),
    Scheme("ssh", Carrier.SSH, "ssh://host/path", secure=True, user=True),
    Scheme("file", Carrier.DISK, "file:///path"),
    Scheme("", Carrier.DISK, "a path"),
)
"""In the order in which a person should think of them."""

_BY_NAME = {scheme.name: scheme for scheme in SCHEMES}
GRPC, GRPCS = _BY_NAME["grpc"], _BY_NAME["grpcs"]
"""What a server serves: plain text, and TLS."""


def known_scheme(url: str) -> Scheme | None:
    """The scheme of an address; None for one that no row has."""
    name, separator, _ = url.partition("://")
    return _BY_NAME.get(name.lower() if separator else "")


def scheme_of(url: str) -> Scheme:
    """The scheme of an address. Raises UsageError, with an example of each kind of address, for one that no row
    has."""
    found = known_scheme(url)
    if found is None:
        *most, last = (scheme.example for scheme in SCHEMES)
        raise UsageError(
            f"{url!r} is no address of a repository",
            cause=f"{url.partition('://')[0].lower()}:// is not known",
            help=f"{', '.join(most)}, or {last}",
        )
    return found
