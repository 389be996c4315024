"""The schemes of a remote's address: one table of all that any place must know of each.

A new scheme takes a row here and, unless one of the carriers takes it, its carrier (`repo.remotes.connect`).
Nothing of gRPC is needed to know them.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from typing import NamedTuple

from mvcd.errors import UsageError


class Carrier(Enum):
    """What brings us to a repository."""

    DISK = "a directory of this machine"
    SERVER = "a server's port, spoken to over gRPC"
    SSH = "the system's ssh, which starts a server there"
    BUCKET = "objects by name in a bucket, where nothing runs"


class Scheme(NamedTuple):
    """One kind of address. `name` is what stands before `://`; it is empty for a plain path.

    `port` is the one that an address without a port means, and where a server listens unless it is told
    otherwise. A `secure` scheme is encrypted: only such a one carries a token beyond this machine, unless a
    person chose so. With `user`, a name before the @ is a login name; elsewhere it may be a secret. With
    `path`, the rest is a path of a file system, which may hold any sign.
    """

    name: str
    carrier: Carrier
    example: str
    port: int | None = None
    secure: bool = False
    user: bool = False
    path: bool = False


SCHEMES = (
    Scheme("grpcs", Carrier.SERVER, "grpcs://host/repo", port=7443, secure=True),
    Scheme("grpc", Carrier.SERVER, "grpc://localhost:port/repo", port=7400),
    Scheme("ssh", Carrier.SSH, "ssh://host/path", secure=True, user=True),
    Scheme("s3", Carrier.BUCKET, "s3://bucket/path", secure=True),
    Scheme("gs", Carrier.BUCKET, "gs://bucket/path", secure=True),
    Scheme("az", Carrier.BUCKET, "az://container/path", secure=True),
    Scheme("bucket+file", Carrier.BUCKET, "bucket+file:///path", path=True),
    Scheme("links", Carrier.BUCKET, "links:///file", path=True),
    Scheme("file", Carrier.DISK, "file:///path", path=True),
    Scheme("", Carrier.DISK, "a path", path=True),
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
        given = url.partition("://")[0].lower()
        meant = meant_by(url)
        raise UsageError(
            f"{url!r} is no address of a repository",
            cause=f"{given}:// is not known"
            if given not in _WEB
            else f"servers of mvc speak gRPC and not {given}",
            help=f"{', '.join(most)}, or {last}" if meant is None else f"did you mean {meant} ?",
        )
    return found


_WEB = frozenset({"http", "https"})
_OTHERS = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "azure": "az", "abfs": "az", "abfss": "az"}
"""How other tools write the schemes of buckets."""
_RESTIC = re.compile(r"s3:(https?://[^/]+)/(.+)")
_ONE_SLASH = re.compile(r"(grpcs?|ssh|s3|gs|az):/?([^/].*)")
_BUCKET_PATH = re.compile(r"(bucket\+file|links):(?!//)(.+)")
_SCP = re.compile(r"([\w.-]+@)([\w.-]+):(?!//)(.+)")
_HOST = re.compile(r"((?:localhost|[\w-]+(?:\.[\w-]+)+|[\w.-]+(?=:\d))(?::\d{1,5})?)/(.+)")


def meant_by(word: str) -> str | None:
    """The address that somebody may have meant who wrote no scheme, or a web page's: a guess, for an error to
    make. None for what looks like a path."""
    scheme, separator, rest = word.partition("://")
    if bucket := _bucket_meant_by(word):
        return bucket
    if separator:
        secure = scheme.lower() == "https" or not rest.startswith(("localhost", "127."))
        return f"{'grpcs' if secure else 'grpc'}://{rest}" if scheme.lower() in _WEB else None
    if found := _ONE_SLASH.fullmatch(word):
        return f"{found[1]}://{found[2]}"
    if found := _SCP.fullmatch(word):
        path = found[3] if found[3].startswith("/") else f"/~/{found[3]}"
        return f"ssh://{found[1]}{found[2]}{path}"
    if found := _HOST.fullmatch(word):
        near = found[1].startswith(("localhost", "127."))
        return f"{'grpc' if near else 'grpcs'}://{found[1]}/{found[2]}"
    return None


def _bucket_meant_by(word: str) -> str | None:
    """The same for an address as restic, DVC or Hadoop write one, or with too few slashes."""
    scheme, separator, rest = word.partition("://")
    if found := _RESTIC.fullmatch(word):
        return f"s3://{found[2]} -o endpoint={found[1]}"
    if separator and scheme.lower() in _OTHERS:
        return f"{_OTHERS[scheme.lower()]}://{rest}"
    if found := _BUCKET_PATH.fullmatch(word):
        return f"{found[1]}://{os.path.abspath(found[2])}"
    return None
