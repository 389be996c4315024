"""Options of a bucket: what its address does not say, and no secret (PROVIDERS.md lists them from this
table)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from mvcd.errors import UsageError

EtagStyle = Literal["quoted", "unquoted"]
"""How a tag is sent in If-Match: with its double quotes, as HTTP has it, or without, as Ceph needs it."""

KEYS_HELP = "aws configure  (keeps keys where only you can read them), or export AWS_ACCESS_KEY_ID"
_SECRETS = """
    access-key access-key-id key secret secret-key secret-access-key session-token token password account-key
    sas sas-token service-account-key credentials
""".split()


@dataclass(frozen=True, slots=True)
class Options:
    """How a bucket is reached, and how objects are written to it."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    account: str | None = None
    ca: str | None = None
    encryption: str | None = None
    kms_key: str | None = None
    etags: EtagStyle = "quoted"
    virtual_hosted: bool = False
    allow_http: bool = False
    anonymous: bool = False
    requester_pays: bool = False
    bulk_delete: bool = True

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Options:
        """From names and values as they stand in settings. Raises UsageError for a name that is not known, a
        value that cannot be, and a secret."""
        for name in given:
            if name.lower().replace("_", "-") in _SECRETS:
                raise UsageError(
                    f"a bucket has no option {name}",
                    kind="secret-in-address",
                    cause="a secret in the settings goes wherever they are read or copied",
                    help=KEYS_HELP,
                )
            if name not in _PARSERS:
                there = ", ".join(_PARSERS)
                raise UsageError(f"a bucket has no option {name}", cause=f"there are {there}")
        values = {name.replace("-", "_"): _PARSERS[name](value) for name, value in given.items()}
        return cls(**values)  # type: ignore[arg-type]  # each parser answers its field's kind


def _text(value: str) -> str:
    if not value or any(sign.isspace() for sign in value):
        raise UsageError(f"{value!r} cannot be the value of an option of a bucket")
    return value


def _file(value: str) -> str:
    if not value:
        raise UsageError("an empty name cannot be that of a file")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f"{value!r} cannot be an endpoint", help="such as https://objects.example.org:9000"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "an endpoint must not hold a secret",
            kind="secret-in-address",
            cause="whoever sees your settings could read it",
            help=KEYS_HELP,
        )
    return value.rstrip("/")


def _yes_or_no(value: str) -> bool:
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in known:
        raise UsageError(f"{value!r} is neither yes nor no")
    return known[value.lower()]


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in values:
            raise UsageError(f"{value!r} is none of {', '.join(values)}")
        return value

    return parse


_PARSERS: Mapping[str, Callable[[str], str | bool]] = {
    "endpoint": _address,
    "region": _text,
    "profile": _text,
    "account": _text,
    "ca": _file,
    "encryption": _one_of("AES256", "aws:kms", "aws:kms:dsse", "sse-c"),
    "kms-key": _text,
    "etags": _one_of("quoted", "unquoted"),
    "virtual-hosted": _yes_or_no,
    "allow-http": _yes_or_no,
    "anonymous": _yes_or_no,
    "requester-pays": _yes_or_no,
    "bulk-delete": _yes_or_no,
}

NAMES = tuple(_PARSERS)
"""All names of options."""
