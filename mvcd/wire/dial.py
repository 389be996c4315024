"""From an address to a peer: `grpc://host:port/repo` in plain text, `grpcs://host[:port]/repo` over TLS,
`ssh://host/path` through ssh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import grpc

from mvcd.errors import Failure, UsageError
from mvcd.wire.address import is_loopback, proxy_for, require_no_secret
from mvcd.wire.client import Patience, RemotePeer
from mvcd.wire.diagnosis import Endpoint
from mvcd.wire.schemes import scheme_of
from mvcd.wire.ssh import SshAddress, SshTunnel


def dial(
    url: str, *, token: str | None, options: Mapping[str, str], patience: Patience | None = None
) -> RemotePeer:
    """Nothing is sent before the first call. `options`: `ca`, `certificate` and `key` are files; `insecure`
    allows plain text beyond this machine. Raises UsageError, Failure(kind="unreadable").
    """
    require_no_secret(url)
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
    scheme = scheme_of(url)
    secure = scheme.secure
    if not secure and not is_loopback(host) and options.get("insecure") != "true":
        raise UsageError(
            f"{url} would send everything in plain text",
            kind="plain-text",
            cause="grpc:// is for this machine only",
            help="use grpcs://  (or: mvc config set remote.NAME.insecure true)",
        )
    shown = f"[{host}]" if ":" in host else host
    port = port or scheme.port
    assert port is not None
    roots = _read(options.get("ca")) if secure else None
    return RemotePeer(
        f"{shown}:{port}",
        repo,
        url,
        credentials=_credentials(options, roots) if secure else None,
        options=_way(host),
        token=token,
        patience=patience,
        place=Endpoint(host, port, url, secure, roots, bool(options.get("certificate"))),
    )


_DIRECT = (("grpc.enable_http_proxy", 0),)
"""What is for this machine only goes through no proxy, whatever the environment names."""


def _way(host: str) -> Sequence[tuple[str, object]]:
    """Through the proxy that `address.proxy_for` finds, or none: gRPC reads no HTTPS_PROXY and no NO_PROXY."""
    proxy = proxy_for(host)
    return _DIRECT if proxy is None else (("grpc.http_proxy", proxy.url),)


def dial_ssh(url: str, *, program: str = "mvcd", patience: Patience | None = None) -> RemotePeer:
    """The one repository at `ssh://[user@]host[:port]/path`, served while the peer is open; `program` is what
    serves it there. Connects at once. Raises UsageError, RemoteUnreachable.
    """
    tunnel = SshTunnel.open(SshAddress.parse(url), program=[program])
    return _Tunnelled(tunnel, url, patience)


class _Tunnelled(RemotePeer):
    def __init__(self, tunnel: SshTunnel, url: str, patience: Patience | None) -> None:
        super().__init__(tunnel.target, "", url, options=_DIRECT, patience=patience)
        self._tunnel = tunnel

    def close(self) -> None:
        super().close()
        self._tunnel.close()


def _credentials(options: Mapping[str, str], roots: bytes | None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=roots,
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
