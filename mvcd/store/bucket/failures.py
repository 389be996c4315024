"""What a bucket's refusal means, in our words: by its HTTP status, its code, and where on the way it failed.

S3, GCS and Azure answer with an XML body that has a `<Code>`; the library puts status and body into the text of
its errors, and what the connection failed at. Those texts are read here and nowhere else, and nothing here
knows the library. Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, Ceph's
rgw_common.cc, https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from mvcd.errors import AuthError, Failure, MvcError, NotPermitted, RemoteUnreachable, UsageError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]+)\s*</Code>")
_WORDS = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_REGION = re.compile(r"<Region>([a-z0-9-]+)</Region>|expecting (?:'|&#39;|&apos;)([a-z0-9-]+)")
_CONNECTING = re.compile(r"kind: Connect\b|legacy::Error\(\s*Connect,")
_CREDENTIALS = re.compile(
    r"/latest/(api/token|meta-data)|169\.254\.170|metadata\.google|computeMetadata|AssumeRoleWith|/oauth2?/"
)
_ODD = re.compile(r"source: (Metadata|Invalid\w+Response) \{|: Got invalid ")
_NAMED = re.compile(r"Encountered object with invalid path: .*?[Pp]ath \"([^\"\n]*)\"")
_SAYS = re.compile(r"^Generic \w+ error: ")
_TRIED = re.compile(r'"tcp connect error",\s*\S+:(\d+),')
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")

NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "NoSuchContainer"}
NO_OBJECT = {"NoSuchKey", "BlobNotFound", "NoSuchVersion"}
_WRONG_KEY = {
    "InvalidAccessKeyId": "the store does not know this access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "InvalidSecurity": "the store does not accept the key",
    "AuthenticationFailed": "the store does not accept the key",
    "InvalidToken": "the session token is not valid",
    "ExpiredToken": "the session token has expired",
    "TokenRefreshRequired": "the session token has expired",
    "InvalidClientTokenId": "the store does not know this access key",
    "NoAuthenticationInformation": "there is no key",
}
_WRONG_REGION = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "AccountLimitExceeded"}
_BUSY = {
    "SlowDown",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServerBusy",
    "InternalError",
    "OperationTimedOut",
}
_CREATE = {
    "s3": "aws s3 mb s3://{bucket}{endpoint}",
    "gs": "gcloud storage buckets create gs://{bucket}",
    "az": "az storage container create --name {bucket}",
}
_WHO = {
    "s3": "aws sts get-caller-identity  (shows whose key is used; keys: aws configure, or AWS_ACCESS_KEY_ID)",
    "gs": "gcloud auth application-default login",
    "az": "az login, or export AZURE_STORAGE_ACCOUNT_KEY",
}
_RIGHTS = {
    "s3": "ask for s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on {bucket}",
    "gs": "ask for the role Storage Object User on {bucket}",
    "az": "ask for the role Storage Blob Data Contributor on {bucket}",
}


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """What an error has to name."""

    scheme: str
    bucket: str
    url: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call, read from the text of the library's error."""

    text: str
    status: int | None
    code: str | None

    @classmethod
    def read(cls, text: str) -> Reply:
        status, code = _STATUS.search(text), _CODE.search(text)
        return cls(text, int(status[1]) if status else None, code[1] if code else None)

    @property
    def answered(self) -> bool:
        """Whether the store itself answered."""
        return self.status is not None and not self.about_credentials

    @property
    def about_credentials(self) -> bool:
        """Whether it was who gives out keys that failed, before anything was sent to the store."""
        return _CREDENTIALS.search(self.text) is not None

    @property
    def unsent(self) -> bool:
        """Whether no connection came about, so that nothing can have been carried out."""
        return self.status is None and (
            _CONNECTING.search(self.text) is not None or self.about_credentials
        )

    @property
    def undone(self) -> bool:
        """Whether nothing was carried out, and the same call may be made again: it was never sent, or it was
        one too many in a second, as Google has one a second for each object."""
        return (self.unsent and not self.about_credentials) or self.status == 429

    @property
    def beyond_end(self) -> bool:
        """Whether bytes were asked for that begin behind the end of the object."""
        return self.status == 416 or "Wanted range starting at" in self.text

    @property
    def unreadable(self) -> bool:
        """Whether an answer came, and it is none that a bucket gives."""
        return self.status is None and _ODD.search(self.text) is not None

    @property
    def foreign(self) -> str | None:
        """The name of somebody else's object that the library does not take, and lists nothing for it."""
        found = _NAMED.search(self.text)
        return found[1] if found else None

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later."""
        if self.unreadable or self.about_credentials or self.foreign is not None:
            return False
        if "BadScheme" in self.text or _trust(self.text):
            return False
        if self.code in _BUSY or self.status in (None, 408, 429):
            return True
        return self.status >= 500 and self.status not in (501, 505, 507)


def refusal(reply: Reply, place: BucketPlace, doing: str) -> MvcError:
    """The error for a call that found neither success nor an absent object. `doing` is "read", "write" or
    "delete"."""
    code, status = reply.code or "", reply.status
    if reply.about_credentials or code in _WRONG_KEY or (status == 401 and not code):
        return _about_keys(reply, place)
    if code == "RequestTimeTooSkewed":
        return _skewed(place)
    if code in NO_BUCKET:
        return _no_bucket(place)
    if code in _WRONG_REGION or status == 301:
        return _wrong_region(reply, place)
    if code in _FULL or status == 507:
        return Failure(
            f"{place.url} is full",
            kind="disk-full",
            cause=_told(reply),
            help="mvc gc --remote  (frees what nothing needs), or ask for more room",
        )
    return _by_status(reply, place, doing)


def unopened(text: str, place: BucketPlace, ca: str | None) -> UsageError:
    """The error for settings by which no store can be opened at all, in the library's words."""
    cause, help = _SAYS.sub("", text.partition("\n")[0])[:300], None
    if "root_certificate" in text or "ertificate" in text:
        cause = f"{ca} holds no certificate in PEM"
        help = "openssl x509 -in FILE -noout -subject  (shows what a file holds)"
    elif "Account must be specified" in text:
        cause = "no account of Azure is named"
        help = "export AZURE_STORAGE_ACCOUNT_NAME=NAME, or the remote's option account"
    elif missing := re.search(r"Missing (AccessKeyId|SecretAccessKey)", text):
        names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY"}
        cause = "only one half of a key is there"
        help = f"export {names[missing[1]]}=..., or unset the other half"
    elif "Missing customer key" in text:
        cause = "sse-c encrypts with a key of yours, and there is none"
        help = (
            "export AWS_SSE_CUSTOMER_KEY_BASE64=...  (32 bytes: head -c 32 /dev/urandom | base64)"
        )
    return UsageError(f"{place.url} cannot be opened", cause=cause, help=help)


def _by_status(reply: Reply, place: BucketPlace, doing: str) -> MvcError:
    if reply.foreign is not None:
        return _foreign(reply.foreign, place)
    if reply.status == 403 or reply.code == "AccessDenied":
        return AuthError(
            f"this key may not {doing} in {place.url}",
            kind="permission",
            cause=_told(reply),
            help=_RIGHTS[place.scheme].format(bucket=place.bucket),
        )
    if reply.status in (405, 501):
        return NotPermitted(
            f"{place.url} cannot hold a repository",
            kind="no-conditional-writes",
            cause=f"the store refuses what a repository needs: {_told(reply)}",
            help=OTHER_STORE,
        )
    if not reply.unreadable and (reply.status is None or reply.passing):
        return _unreachable(reply, place)
    return RemoteUnreachable(
        f"{place.url} does not answer as a bucket does",
        kind="not-a-bucket",
        cause=_told(reply),
        help=_ENDPOINT if place.scheme == "s3" else None,
    )


def _no_bucket(place: BucketPlace) -> Failure:
    endpoint = f" --endpoint-url {place.endpoint}" if place.endpoint else ""
    return Failure(
        f"there is no bucket {place.bucket}",
        kind="no-such-bucket",
        cause=f"{place.endpoint or _STORE[place.scheme]} knows none of that name",
        help=_CREATE[place.scheme].format(bucket=place.bucket, endpoint=endpoint),
    )


def _foreign(name: str, place: BucketPlace) -> Failure:
    return Failure(
        f"an object in {place.url} has a name that cannot be listed",
        kind="foreign-name",
        cause=f"somebody else's object is called {name!r}, which has an empty part, a dot or a control sign",
        help="remove or rename it, or give the repository a place of its own, which nobody else writes to",
    )


def _skewed(place: BucketPlace) -> AuthError:
    return AuthError(
        "the clock of this machine is wrong",
        kind="clock",
        cause=f"it is more than 15 minutes away from that of {place.url}, which refuses such calls",
        help="timedatectl set-ntp true  (sets it from the network)",
    )


_STORE = {"s3": "AWS", "gs": "Google Cloud", "az": "Azure"}
OTHER_STORE = "use a store that has conditional writes: mvcd/store/bucket/PROVIDERS.md names some"
_ENDPOINT = "set the endpoint of the store: AWS_ENDPOINT_URL, or the remote's option endpoint"


def _told(reply: Reply) -> str:
    """What the store said, in one line."""
    words = _WORDS.search(reply.text)
    said = " ".join(words[1].split()) if words else ""
    parts = [str(reply.status) if reply.status else "", reply.code or "", said]
    first = _SAYS.sub("", reply.text.partition("\n")[0])[:200]
    return " ".join(part for part in parts if part) or first


def _about_keys(reply: Reply, place: BucketPlace) -> AuthError:
    if reply.about_credentials:
        return AuthError(
            f"there is no key for {place.url}",
            kind="credentials",
            cause="neither environment nor profile has one, and this machine has no role that would give one",
            help=_WHO[place.scheme],
        )
    return AuthError(
        f"{place.url} does not accept this key",
        kind="credentials",
        cause=_WRONG_KEY.get(reply.code or "", _told(reply)),
        help=_WHO[place.scheme],
    )


def _wrong_region(reply: Reply, place: BucketPlace) -> UsageError:
    found = _REGION.search(reply.text)
    region = next((name for name in found.groups() if name), None) if found else None
    return UsageError(
        f"{place.url} is in another region",
        kind="wrong-region",
        cause=f"it is in {region}" if region else _told(reply),
        help=f"export AWS_REGION={region or 'REGION'}  (or the remote's option region)",
    )


def _unreachable(reply: Reply, place: BucketPlace) -> RemoteUnreachable:
    where = place.endpoint or place.url
    text = reply.text
    if "BadScheme" in text:
        cause, help = (
            f"{where} is not encrypted",
            "export AWS_ALLOW_HTTP=true, or the option allow-http",
        )
    elif "dns error" in text:
        cause, help = f"{where}: no such host", _ENDPOINT
    elif why := _trust(text):
        cause = f"the certificate of {where} is not trusted ({why})"
        help = "export AWS_CA_BUNDLE=FILE  (its authority's certificate; or the option ca)"
    elif "InvalidMessage" in text or "CorruptMessage" in text:
        cause, help = f"{where} does not speak TLS", "use http:// in the endpoint"
    elif "kind: Timeout" in text or "TimedOut" in text:
        cause, help = f"{where} does not answer in time", f"curl -sv {shlex.quote(where)}"
    elif proxy := _proxy(text):
        cause = f"nobody listens at the proxy that {proxy} names"
        help = f"echo ${proxy}  (hosts that NO_PROXY names are reached without it)"
    elif reply.unsent:
        cause, help = f"nobody listens at {where}", f"curl -sv {shlex.quote(where)}"
    elif reply.status is not None:
        cause, help = (
            f"it answers {_told(reply)}",
            "run the command again when the store has recovered",
        )
    elif where.startswith("http://") and "SendRequest" in text:
        cause = "the connection broke before an answer came"
        help = "run the command again; if TLS is spoken there, with https:// in the endpoint"
    else:
        cause, help = "the connection broke", "run the command again"
    if place.scheme != "s3" and help == _ENDPOINT:
        help = "check the network of this machine"
    return RemoteUnreachable(f"{place.url} cannot be reached", cause=cause, help=help)


def _proxy(text: str) -> str | None:
    """The variable whose proxy was tried, and not the store itself."""
    tried = _TRIED.search(text)
    for name in (*_PROXIES, *map(str.lower, _PROXIES)):
        if tried and (url := os.environ.get(name)):
            place = urlsplit(url if "://" in url else f"http://{url}")
            if (place.port or 80) == int(tried[1]):
                return name
    return None


def _trust(text: str) -> str | None:
    """Why a certificate is not trusted."""
    found = re.search(r"invalid peer certificate: (\w+)|InvalidCertificate\(\s*(\w+)", text)
    return next(why for why in found.groups() if why) if found else None
