"""From an address to a peer: `grpc://host:port/repo` in plain text, `grpcs://host[:port]/repo` over TLS,
`ssh://host/path` through ssh."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import grpc

from mvcd.errors import Failure, UsageError
from mvcd.wire.client import Patience, RemotePeer
from mvcd.wire.ports import PORTS
from mvcd.wire.ssh import SshAddress, SshTunnel

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def dial(
    url: str, *, token: str | None, options: Mapping[str, str], patience: Patience | None = None
) -> RemotePeer:
    """Nothing is sent before the first call. `options`: `ca`, `certificate` and `key` are files; `insecure`
    allows plain text beyond this machine. Raises UsageError, Failure(kind="unreadable").
    """
    parts = urlsplit(url)
    repo = unquote(parts.path.strip("/"))
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no address", cause=str(error)) from None
    if not host or not repo:
        raise UsageError(
            f"{url!r} names no repository", help=f"{parts.scheme}://host:port/team/name"
        )
    secure = parts.scheme == "grpcs"
    if not secure and host not in _LOOPBACK and options.get("insecure") != "true":
        raise UsageError(
            f"{url} would send everything in plain text",
            kind="plain-text",
            cause="grpc:// is for this machine only",
            help="use grpcs://  (or: mvc config set remote.NAME.insecure true)",
        )
    shown = f"[{host}]" if ":" in host else host
    return RemotePeer(
        f"{shown}:{port or PORTS['grpcs' if secure else 'grpc']}",
        repo,
        url,
        credentials=_credentials(options) if secure else None,
        token=token,
        patience=patience,
    )


def dial_ssh(url: str, *, program: str = "mvcd", patience: Patience | None = None) -> RemotePeer:
    """The one repository at `ssh://[user@]host[:port]/path`, served while the peer is open; `program` is what
    serves it there. Connects at once. Raises UsageError, RemoteUnreachable.
    """
    tunnel = SshTunnel.open(SshAddress.parse(url), program=[program])
    return _Tunnelled(tunnel, url, patience)


class _Tunnelled(RemotePeer):
    def __init__(self, tunnel: SshTunnel, url: str, patience: Patience | None) -> None:
        super().__init__(tunnel.target, "", url, patience=patience)
        self._tunnel = tunnel

    def close(self) -> None:
        super().close()
        self._tunnel.close()


def _credentials(options: Mapping[str, str]) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_read(options.get("ca")),
        private_key=_read(options.get("key")),
        certificate_chain=_read(options.get("certificate")),
    )


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"cannot read {path}", kind="unreadable", cause=str(error)) from None
