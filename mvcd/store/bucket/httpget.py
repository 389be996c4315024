"""Reading of objects by their addresses over HTTP, in ranges, with nothing but the standard library.

An address here is a secret: no error and no log names it. Whoever asks gets the status, and says what it
means.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from mvcd import __version__
from mvcd.errors import RemoteUnreachable, UsageError
from mvcd.store.bucket.failures import Reply

PATIENCE_SECONDS = 30.0
_PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0, 3.0, 3.0, 3.0)
_SILENCE_SECONDS = 60.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXPIRED = ("expired", "ExpiredToken", "Signature not valid in the specified time frame")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: status, content and tag. `code` is what a store calls a refusal."""

    status: int
    data: bytes
    tag: str | None = None

    @property
    def code(self) -> str:
        return Reply.read(self._text()).code or ""

    @property
    def says_expired(self) -> bool:
        return self.status not in (200, 206) and any(word in self._text() for word in _EXPIRED)

    def _text(self) -> str:
        return self.data[:4096].decode("utf-8", "replace")


class HttpGetter:
    """Thread-safe. `ca` is a file of certificates in PEM that are trusted besides the system's; with `plain`,
    an address beyond this machine may be `http://`."""

    def __init__(self, ca: str | None = None, *, plain: bool = False) -> None:
        """Raises UsageError for certificates that cannot be read."""
        context = ssl.create_default_context()
        if ca is not None:
            try:
                context.load_verify_locations(ca)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"the certificates in {ca} cannot be read", cause=str(error.strerror).lower()
                ) from error
        self._plain = plain
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _NoRedirect()
        )

    def get(
        self, address: str, span: tuple[int, int] | None = None, *, unless: str | None = None
    ) -> Answer:
        """The object, or bytes of it from `start` up to `end`; 304 if its tag is still `unless`. What may pass
        is tried again for half a minute. Raises RemoteUnreachable, UsageError for what is no address."""
        headers = {"User-Agent": f"mvc/{__version__}"}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        if unless is not None:
            headers["If-None-Match"] = unless
        host = self._host(address)
        began = time.monotonic()
        for pause in (*_PAUSES_SECONDS, None):
            last = pause is None or time.monotonic() - began > PATIENCE_SECONDS
            try:
                answer = self._once(urllib.request.Request(address, headers=headers))  # noqa: S310
            except (OSError, http.client.HTTPException) as error:
                if last or _is_final(error):
                    raise _unreachable(host, error) from None
            else:
                if last or not Reply("", answer.status, answer.code or None).passing:
                    return answer
            assert pause is not None
            time.sleep(pause)
        raise AssertionError

    def _once(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=_SILENCE_SECONDS) as reply:
                return Answer(reply.status, reply.read(), reply.headers.get("ETag"))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read())

    def _host(self, address: str) -> str:
        """Whom an address leads to. Raises UsageError, which does not show it."""
        try:
            parts = urlsplit(address)
            host, scheme = parts.hostname or "", parts.scheme
        except ValueError:
            host, scheme = "", ""
        if scheme not in ("http", "https") or not host or any(map(str.isspace, address)):
            raise UsageError(
                "a link is no address of the web",
                help="mvc remote presign REMOTE --to FILE  (where the keys of the bucket are)",
            )
        if scheme == "http" and not self._plain and host not in _LOOPBACK:
            raise UsageError(
                f"a link to {host} is not encrypted",
                kind="insecure",
                cause="whoever is on the way could read and change what comes",
                help="sign links to an endpoint of https://, or set the option allow-http",
            )
        return host


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signature holds for one place: what leads elsewhere is a refusal."""

    def redirect_request(self, *_: object) -> None:
        return None


def _is_final(error: Exception) -> bool:
    """Whether trying again is of no use."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ssl.SSLCertVerificationError)


def _unreachable(host: str, error: Exception) -> RemoteUnreachable:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RemoteUnreachable(
            f"{host} cannot be reached",
            cause=f"its certificate is not trusted ({reason.verify_message})",
            help="export AWS_CA_BUNDLE=FILE  (its authority's certificate; or the option ca)",
        )
    why = getattr(reason, "strerror", None) or type(reason).__name__
    return RemoteUnreachable(f"{host} cannot be reached", cause=str(why).lower())
