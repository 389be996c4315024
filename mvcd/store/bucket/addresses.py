"""Addresses of buckets: the one place that knows which kinds there are.

    s3://BUCKET/PREFIX  gs://BUCKET/PREFIX  az://CONTAINER/PREFIX  bucket+file:///DIRECTORY  links:///FILE

The prefix may be absent. Kinds that need a library are opened late, so that nobody else loads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from mvcd.errors import Failure, UsageError
from mvcd.store.bucket.awsprofile import Profile, chosen_profile
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.bucket.options import KEYS_HELP, Options

DIRECTORY = "bucket+file"
OBJECTS = ("s3", "gs", "az")
LINKS = "links"
SCHEMES = (*OBJECTS, DIRECTORY, LINKS)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,254}")
_PART = re.compile(r"[A-Za-z0-9._=+@,-]{1,200}")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


def is_bucket(url: str) -> bool:
    """Whether an address is one of a bucket."""
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def open_blobs(
    url: str, options: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Blobs:
    """Opens the bucket at an address; nothing is asked of it yet. `options` are those of options.py, and
    `environment` is this process's unless another one is given.

    Raises UsageError for an address or an option that cannot be, and one that holds a secret; AuthError for a
    profile that gives no keys; Failure(kind="missing-extra") where the library is not installed,
    Failure(kind="no-such-bucket") for a directory that is not there.
    """
    given = os.environ if environment is None else environment
    parsed = Options.parse(options)
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in SCHEMES:
        raise UsageError(
            f"{url!r} is no address of a bucket",
            help="s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, bucket+file:///DIRECTORY"
            " or links:///FILE",
        )
    if scheme == DIRECTORY:
        return DirectoryBlobs(_directory(url, rest), url)
    if scheme == LINKS:
        return _open_links(url, rest, parsed, given)
    _require_no_secret(scheme, rest)
    bucket, _, prefix = rest.partition("/")
    return _open_objects(scheme, bucket, _prefix(url, bucket, prefix), parsed, given)


def directory_of(url: str) -> str | None:
    """The directory that an address names; None for other buckets. Raises UsageError."""
    scheme, _, rest = url.partition("://")
    return _directory(url, rest) if scheme.lower() == DIRECTORY else None


def is_links(url: str) -> bool:
    """Whether an address is that of links, which only let one read."""
    return url.partition("://")[0].lower() == LINKS


def _open_links(url: str, rest: str, options: Options, environment: Mapping[str, str]) -> Blobs:
    from mvcd.store.bucket.httpget import HttpGetter  # late: start-up
    from mvcd.store.bucket.linkedblobs import LinkedBlobs

    getter = HttpGetter(options.ca or environment.get("AWS_CA_BUNDLE"), plain=options.allow_http)
    return LinkedBlobs(_path(url, rest, "file", f"{LINKS}:///FILE"), url, getter)


def _open_objects(
    scheme: str, bucket: str, prefix: str, options: Options, environment: Mapping[str, str]
) -> Blobs:
    try:
        from mvcd.store.bucket import objectstore  # late: an extra
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "obstore":
            raise
        raise Failure(
            f"{scheme}:// needs a library that is not installed",
            kind="missing-extra",
            cause="obstore is not there",
            help="pip install 'mvcd[s3]'",
        ) from None
    ca = options.ca or environment.get("AWS_CA_BUNDLE")
    if scheme == "gs":
        return objectstore.gs_blobs(bucket, prefix, options, ca=options.ca)
    if scheme == "az":
        return objectstore.az_blobs(bucket, prefix, options, ca=options.ca)
    profile = None if options.anonymous else chosen_profile(options.profile, environment)
    endpoint = _endpoint(options, environment, profile)
    return objectstore.s3_blobs(
        bucket,
        prefix,
        options,
        endpoint=endpoint,
        ca=ca or (profile.ca if profile else None),
        profile=_with_keys(profile, options, environment),
    )


def _with_keys(
    profile: Profile | None, options: Options, environment: Mapping[str, str]
) -> Profile | None:
    """The profile, unless it only has settings and nobody named it: then the library looks for keys itself, in
    the environment and at this machine's role."""
    if profile is None or profile.keys or profile.further:
        return profile
    named = (
        options.profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    )
    return profile if named else None


def _endpoint(
    options: Options, environment: Mapping[str, str], profile: Profile | None
) -> str | None:
    """The address of the store; None for AWS. Raises UsageError for one that is not encrypted and not meant."""
    found = options.endpoint or next(
        (environment[n] for n in _ENDPOINTS if environment.get(n)), None
    )
    found = found or (profile.endpoint if profile else None)
    if found is None:
        return None
    found = Options.parse({"endpoint": found}).endpoint
    assert found is not None
    parts = urlsplit(found)
    allowed = options.allow_http or environment.get("AWS_ALLOW_HTTP", "").lower() in (
        "true",
        "1",
        "yes",
    )
    if parts.scheme == "http" and not allowed and not _LOOPBACK.fullmatch(parts.hostname or ""):
        raise UsageError(
            f"{found} is not encrypted",
            kind="insecure",
            cause="whoever is on the way could read and change what is stored there",
            help="use https://, or to do it all the same: export AWS_ALLOW_HTTP=true",
        )
    return found


def _require_no_secret(scheme: str, rest: str) -> None:
    place = unquote(rest)
    if "@" in place.partition("/")[0] or re.search(r"[?#]", place):
        raise UsageError(
            f"an address must not hold a secret: {scheme}://***",
            kind="secret-in-address",
            cause="it has a name before an @, or something after a ? or #; who sees your settings reads it",
            help=KEYS_HELP,
        )


def _prefix(url: str, bucket: str, prefix: str) -> str:
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{url!r} names no bucket", cause=f"{bucket!r} cannot be the name of one")
    parts = [part for part in prefix.split("/") if part]
    for part in parts:
        if not _PART.fullmatch(part) or part in (".", ".."):
            raise UsageError(
                f"{url!r} cannot be the address of a bucket",
                cause=f"{part!r} in it: parts are of letters, digits and . _ = + @ , -",
            )
    return "/".join(parts)


def _directory(url: str, rest: str) -> str:
    return _path(url, rest, "directory", f"{DIRECTORY}:///DIRECTORY")


def _path(url: str, rest: str, what: str, example: str) -> str:
    host, slash, path = rest.partition("/")
    if not slash or host not in ("", "localhost") or not path.strip("/"):
        raise UsageError(f"{url!r} names no {what}", help=f"{example}, with three slashes")
    return "/" + unquote(path).strip("/")
