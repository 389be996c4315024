"""Registries of the OCI distribution specification, as far as artifacts need them: blobs, and manifests.

    HEAD  /v2/NAME/blobs/sha256:HEX            is it there?
    POST  /v2/NAME/blobs/uploads/              202, and in Location where to
    PUT   LOCATION?digest=sha256:HEX           the whole blob, as it is read
    GET   /v2/NAME/blobs/sha256:HEX            perhaps by a redirect to a store of objects
    GET   /v2/NAME/manifests/TAG               and PUT

An `Authorization` is only sent to the registry itself, and a login besides to the token server that it names.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import IO, Self
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from mvc.api.errors import (
    AuthError,
    Failure,
    IntegrityError,
    MvcError,
    NotPermitted,
    RemoteUnreachable,
)
from mvc.integrations.ociconnection import RegistryConnections, host_of, is_loopback, origin_of
from mvc.integrations.ocilogins import login_for
from mvc.integrations.ocitokens import authorization

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MAX_MANIFEST_BYTES = 4 << 20
"""Bytes that every registry has to accept of a manifest (distribution specification); many take no more."""
_SAID_BYTES = 64 << 10
"""Bytes that are read of what a registry says of an error."""
_BLOCK_BYTES = 1 << 20
_MAX_REDIRECTS_TIMES = 5
_ALWAYS_FOLLOWED = (307, 308)
_FOLLOWED_BY_READERS = (301, 302, 303, *_ALWAYS_FOLLOWED)

Body = bytes | Callable[[], IO[bytes]]
"""What is sent: bytes, or what opens it; it may be sent again."""


class OciRegistry:
    """One repository of a registry. `rights` is what is asked of a token server: "pull" or "pull,push"."""

    def __init__(self, host: str, name: str, rights: str, *, plain_http: bool = False) -> None:
        self.host, self._name = host, name
        scheme = "http" if plain_http or is_loopback(host) else "https"
        served_by = "registry-1.docker.io" if host == "docker.io" else host
        self._base = urlsplit(f"{scheme}://{served_by}/v2/{quote(name)}/")
        self._scope = f"repository:{name}:{rights}"
        self._connections = RegistryConnections(plain=scheme == "http")
        self._authorization: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connections.close()

    # ---------------------------------------------------------------- blobs

    def has_blob(self, digest: str, size: int) -> bool:
        """Tells whether the registry has a blob. Raises IntegrityError where it has another size."""
        answer = self._asked("HEAD", f"blobs/sha256:{digest}")
        if answer.status == http.client.NOT_FOUND:
            self._connections.finish(answer, _SAID_BYTES)
            return False
        self._require(answer, "read", http.client.OK)
        told = answer.headers.get("Content-Length")
        if told is not None and told != str(size):
            raise IntegrityError(
                f"{self.host} has damaged content", cause=f"sha256:{digest} has {told} B, not {size} B there",
                help="have the registry's own check remove it, then push again",
            )  # fmt: skip
        return True

    def send_blob(self, digest: str, size: int, body: Body) -> None:
        """Sends a blob as it is read. Raises IntegrityError where the registry received something else."""
        begun = self._asked("POST", "blobs/uploads/", {"Content-Length": "0"}, b"")
        self._require(begun, "write", http.client.ACCEPTED)
        where = begun.headers.get("Location")
        if not where:
            raise self._odd("it says no place to send content to")
        url = urljoin(self._base.geturl(), where)
        url += f"{'&' if urlsplit(url).query else '?'}{urlencode({'digest': f'sha256:{digest}'})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        answer = self._asked("PUT", url, headers, body)
        self._require(answer, "write", http.client.CREATED)
        self._require_same(answer, digest)

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """Yields a blob in blocks. Raises IntegrityError before its last block if it is another one."""
        answer = self._asked("GET", f"blobs/sha256:{digest}")
        self._require(answer, "read", http.client.OK)
        state, left = hashlib.sha256(), size
        last = b""
        for block in self._blocks(answer):
            left -= len(block)
            if left < 0:
                break
            state.update(block)
            yield last
            last = block
        if left or state.hexdigest() != digest:
            what = "other content" if not left else "more" if left < 0 else f"{left} B less"
            raise IntegrityError(
                f"{self.host} answers with damaged content",
                cause=f"of sha256:{digest} ({size} B) came {what}",
                help="try it again; if it stays so, push the version again from where it was made",
            )
        yield last

    # ---------------------------------------------------------------- manifests

    def manifest(self, reference: str) -> bytes:
        """Returns the manifest that a tag or digest names. Raises Failure: kind "no-such-artifact", or
        "odd-artifact" for one that is no manifest of one artifact; IntegrityError."""
        answer = self._asked("GET", f"manifests/{reference}", {"Accept": MANIFEST_TYPE})
        self._require(answer, "read", http.client.OK)
        data = b""
        for block in self._blocks(answer):
            data += block
            if len(data) > MAX_MANIFEST_BYTES:
                raise Failure(
                    f"the manifest in {self.host} is too large", kind="odd-artifact",
                    cause=f"it has more than {MAX_MANIFEST_BYTES} B",
                )  # fmt: skip
        digest = hashlib.sha256(data).hexdigest()
        if ":" in reference and reference != f"sha256:{digest}":
            raise IntegrityError(
                f"{self.host} answers with another manifest",
                cause=f"it has sha256:{digest}, not {reference}",
            )
        self._require_same(answer, digest)
        return data

    def send_manifest(self, reference: str, data: bytes) -> None:
        """Gives a manifest a tag. Raises IntegrityError where the registry received something else."""
        headers = {"Content-Type": MANIFEST_TYPE, "Content-Length": str(len(data))}
        answer = self._asked("PUT", f"manifests/{reference}", headers, data)
        self._require(answer, "write", http.client.CREATED)
        self._require_same(answer, hashlib.sha256(data).hexdigest())

    # ---------------------------------------------------------------- one request

    def _asked(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Body = b""
    ) -> http.client.HTTPResponse:
        """The answer, after redirects and with a new token where one is asked for."""
        url = urlsplit(urljoin(self._base.geturl(), path))
        renewed = False
        for _ in range(_MAX_REDIRECTS_TIMES + 1):
            ours = self._is_ours(url)
            sent = dict(headers or {})
            if ours and self._authorization is not None:
                sent["Authorization"] = self._authorization
            answer = self._send(method, url, sent, body)
            if answer.status == http.client.UNAUTHORIZED and ours and not renewed:
                renewed = True
                self._connections.finish(answer, _SAID_BYTES)
                self._authorization = self._authorized(answer)
                if self._authorization is not None:
                    continue
            followed = _FOLLOWED_BY_READERS if method in ("GET", "HEAD") else _ALWAYS_FOLLOWED
            where = answer.headers.get("Location")
            if answer.status not in followed or not where:
                return answer
            self._connections.finish(answer, _SAID_BYTES)
            url = urlsplit(urljoin(url.geturl(), where))
        raise self._odd("it redirects again and again")

    def _blocks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            yield from self._connections.blocks(answer, _BLOCK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise self._unreachable(self.host, error) from error

    def _is_ours(self, url: SplitResult) -> bool:
        return origin_of(url) == origin_of(self._base)

    def _send(
        self, method: str, url: SplitResult, headers: Mapping[str, str], body: Body
    ) -> http.client.HTTPResponse:
        try:
            return self._connections.send(method, url, headers, body)
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise self._unreachable(host_of(url), error) from error

    def _authorized(self, answer: http.client.HTTPResponse) -> str | None:
        """The value of `Authorization` that the answer asks for; None if there is nothing to show."""
        challenges = answer.headers.get_all("WWW-Authenticate") or []
        login = login_for(self.host)
        return authorization(challenges, self._scope, login, self.host, self._told)

    def _told(
        self, method: str, url: SplitResult, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = self._send(method, url, headers, body)
        return answer.status, self._connections.finish(answer, _BLOCK_BYTES)

    # ---------------------------------------------------------------- errors

    def _require(self, answer: http.client.HTTPResponse, what: str, status: int) -> None:
        if answer.status == status:
            if what == "write" or answer.length == 0:
                self._connections.finish(answer, _SAID_BYTES)
            return
        said = _said(self._connections.finish(answer, _SAID_BYTES))
        raise self._refused(answer.status, what, said)

    def _refused(self, status: int, what: str, said: str) -> MvcError:
        place = f"{self.host}/{self._name}"
        why = f"{status} {http.client.responses.get(status, '')}".strip() + (
            f": {said}" if said else ""
        )
        login = f"docker login {self.host}  (or oras login; mvc reads what they keep)"
        if status == http.client.UNAUTHORIZED:
            return AuthError(f"{self.host} does not let you {what} {place}", cause=why, help=login)
        if status == http.client.FORBIDDEN:
            return NotPermitted(f"you may not {what} {place}", cause=why, help=login)
        if status == http.client.NOT_FOUND:
            return Failure(
                f"there is no such artifact in {place}", kind="no-such-artifact", cause=why,
                help=f"skopeo list-tags docker://{place}" if what == "read" else None,
            )  # fmt: skip
        if status == http.client.TOO_MANY_REQUESTS or status >= http.client.INTERNAL_SERVER_ERROR:
            return RemoteUnreachable(
                f"{self.host} is not able to {what} now", cause=why,
                help="try it again later: what has arrived is not sent again",
            )  # fmt: skip
        return Failure(f"{self.host} refuses to {what} {place}", kind="registry-refused", cause=why)

    def _require_same(self, answer: http.client.HTTPResponse, digest: str) -> None:
        """A registry that says the digest of what it has has to say the right one."""
        told = answer.headers.get("Docker-Content-Digest")
        if told is not None and told.startswith("sha256:") and told != f"sha256:{digest}":
            raise IntegrityError(
                f"{self.host} has other content than was sent or received",
                cause=f"it says {told}, not sha256:{digest}", help="try it again",
            )  # fmt: skip

    def _odd(self, why: str) -> Failure:
        return Failure(
            f"{self.host} does not answer as a registry does", kind="odd-registry", cause=why
        )

    def _unreachable(self, host: str, error: Exception) -> MvcError:
        help = "try it again: what has arrived is not sent again"
        if isinstance(error, ssl.SSLCertVerificationError):
            help = "SSL_CERT_FILE=FILE mvc oci ...  (with the certificate of who signed the registry's)"
        elif isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            help = "--plain-http  speaks to a registry without TLS"
        why = str(error) or type(error).__name__
        return RemoteUnreachable(f"{host} does not answer", cause=why, help=help)


def _said(data: bytes) -> str:
    """What an error's document says, in one line."""
    try:
        errors = json.loads(data)["errors"]
        told = [f"{e.get('code', '')} {e.get('message') or ''}".strip() for e in errors]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return " ".join("; ".join(told).split())[:300]
