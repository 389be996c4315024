"""Tokens for servers, in a file that only you may read, beside your settings.

They are keyed by scheme, host and port, so that a token is never sent to another server, nor in plain text
where it was given for TLS. `MVC_TOKEN` comes before the file. Tokens are never in a repository's settings nor
in a URL.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mvc.api.settings import user_config_path
from mvcd.errors import AuthError, Failure, NoRepository, UsageError
from mvcd.wire.address import require_no_secret
from mvcd.wire.schemes import GRPCS, Carrier, known_scheme, meant_by

if TYPE_CHECKING:
    from mvcd.monitor import Monitor

NAME = "credentials.json"


@dataclass(frozen=True, slots=True)
class Login:
    """Answer of a server about you. `repo` is the repository it was asked about; if that is "", `principal` and
    `role` are too. `token` is the token's public id, as `mvc admin token list` shows it."""

    server: str
    repo: str
    principal: str
    role: str
    token: str
    version: str


def login(
    url: str,
    token: str,
    *,
    ca: str | None = None,
    insecure: bool = False,
    monitor: Monitor | None = None,
) -> Login:
    """Asks the server whether it accepts the token, and stores it if so. `ca`: a file of certificates to trust;
    `insecure`: allow plain text to other machines. `monitor` hears when a server is asked again.

    Raises AuthError when it does not, RemoteUnreachable, UsageError.
    """
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise UsageError(
            "this is no token", cause="tokens are one word that begins with mvct_",
            help="ask an administrator: mvc admin token add NAME",
        )  # fmt: skip
    server, repo = _parts(url)
    kept: dict[str, Any] = {"token": token, "repo": repo}
    if ca is not None:
        kept["ca"] = os.path.abspath(ca)
    if insecure:
        kept["insecure"] = "true"
    answer = _ask(server, repo, kept, monitor)
    with _changing() as servers:
        servers[server] = kept
    return answer


def logout(url: str) -> bool:
    """Deletes the stored token for a server; returns whether there was one. It stays valid until it is revoked
    there."""
    server, _ = _parts(url)
    with _changing() as servers:
        return servers.pop(server, None) is not None


def whoami(url: str, *, monitor: Monitor | None = None) -> Login:
    """Asks a server who you are now. Raises AuthError if there is no token for it, or it is refused."""
    server, repo = _parts(url)
    kept = _kept(server)
    if kept is None:
        raise AuthError(
            f"you are not logged in to {server}", kind="unauthenticated", help=f"mvc login {server}"
        )
    return _ask(server, repo or kept["repo"], kept, monitor)


def servers() -> list[str]:
    """Lists the servers for which a token is stored."""
    return sorted(_read())


def kept_for(url: str) -> dict[str, str]:
    """Returns the token to send to a URL, with the other settings of the login: `ca`, `insecure`; for a bucket,
    `cache`, the directory of its clients' indexes, which may be deleted."""
    scheme = known_scheme(url)
    if scheme is not None and scheme.carrier is Carrier.BUCKET:
        import platformdirs  # late: start-up

        return {
            "cache": os.path.join(platformdirs.user_cache_dir("mvc", appauthor=False), "buckets")
        }
    server, _ = _parts(url)
    kept = _kept(server) or {}
    return {name: str(kept[name]) for name in ("token", "ca", "insecure") if kept.get(name)}


# ---------------------------------------------------------------------- inside


def _parts(url: str) -> tuple[str, str]:
    """The server, in one spelling, and the repository, "" where none is named. Raises UsageError."""
    require_no_secret(url)
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    scheme = known_scheme(url)
    if scheme is None or scheme.carrier is not Carrier.SERVER or not host:
        raise UsageError(
            f"{url!r} is not the address of a server",
            cause="servers of mvc are at grpcs://, or on this machine at grpc://",
            help=f"mvc login {meant_by(url) or f'{GRPCS.name}://host:port/team/name'}",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme.name}://{shown}:{port or scheme.port}", parts.path.strip("/")


def _ask(server: str, repo: str, kept: dict[str, Any], monitor: Monitor | None) -> Login:
    import hashlib  # late: start-up

    from mvcd.monitor import Silent
    from mvcd.wire.client import Patience
    from mvcd.wire.dial import dial

    options = {name: str(kept[name]) for name in ("ca", "insecure") if kept.get(name)}
    token = str(kept["token"])
    public = hashlib.sha256(token.encode()).hexdigest()[:12]
    # any name will do to be known: who may not read a repository is told so only after being known
    patience = Patience(tell=(monitor or Silent()).warn)
    peer = dial(f"{server}/{repo or 'login'}", token=token, options=options, patience=patience)
    try:
        hello = peer.hello()
    except NoRepository:
        if repo:
            raise
        return Login(server, "", "", "", public, "")
    except AuthError as error:
        if error.kind == "unauthenticated":
            error.help = "ask an administrator for a token: mvc admin token add NAME"
        raise
    finally:
        peer.close()
    return Login(server, repo, hello.principal, hello.role, public, hello.server)


def _kept(server: str) -> dict[str, Any] | None:
    named = os.environ.get("MVC_TOKEN")
    found = _read().get(server)
    if named:
        return {"repo": "", **(found or {}), "token": named}
    return found


def _path() -> str | None:
    settings = user_config_path()
    return None if settings is None else os.path.join(os.path.dirname(settings), NAME)


def _read() -> dict[str, dict[str, Any]]:
    """Raises AuthError when others may read the file, Failure when it is garbage."""
    path = _path()
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise AuthError(
                    f"others may read {path}", kind="credentials-open",
                    cause="it holds tokens", help=f"chmod 600 {path}",
                )  # fmt: skip
            document = json.load(file)
        return {name: dict(kept) for name, kept in document["servers"].items() if kept["token"]}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(
            f"{path} cannot be read", kind="credentials-damaged", cause=str(error),
            help=f"rm {path}  (then log in again)",
        ) from error  # fmt: skip


@contextmanager
def _changing() -> Iterator[dict[str, dict[str, Any]]]:
    """The kept tokens, for a change; one process at a time."""
    from mvcd.disk.locks import lock  # late: start-up
    from mvcd.disk.replace import replace_file

    path = _path()
    if path is None:
        raise Failure(
            "there is no place for credentials", kind="no-user-config",
            cause="MVC_CONFIG is empty", help="unset MVC_CONFIG  (or pass the token as MVC_TOKEN)",
        )  # fmt: skip
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        lock(file)
        found = _read()
        before = json.dumps(found)
        yield found
        if json.dumps(found) != before:
            text = json.dumps({"format": 1, "servers": found}, indent=2)
            replace_file(path, f"{text}\n".encode(), secret=True)
    finally:
        os.close(file)
