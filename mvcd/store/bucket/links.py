"""Documents of links: a view of a store that anybody may read who has one (LINKS.md)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import zstandard

from mvcd.errors import Failure, IntegrityError, NotPermitted
from mvcd.ids import Bytes

LINKS = "links/"
FORMAT_VERSION = 1
MAX_DOCUMENT_BYTES = 1 << 30
MAGIC = b"mvc-links "


class Link(NamedTuple):
    """Where one object is read. The address is a secret."""

    address: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LinkDocument:
    """A document. Neither its objects nor its links are shown by `repr`."""

    bucket: str
    asked: tuple[str, ...]
    expires_s: int
    objects: Mapping[str, bytes] = field(repr=False)
    links: Mapping[str, Link] = field(repr=False)

    @property
    def good_until(self) -> str:
        """When the links expire, for people."""
        return f"{datetime.fromtimestamp(self.expires_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def encode_links(links: LinkDocument) -> bytes:
    """The bytes of a document."""
    fields = {
        "bucket": links.bucket,
        "asked": list(links.asked),
        "expires": links.expires_s,
        "objects": {n: base64.b64encode(data).decode() for n, data in links.objects.items()},
        "links": links.links,
    }
    data = json.dumps(fields, separators=(",", ":")).encode()
    packed = zstandard.ZstdCompressor(3, write_checksum=True).compress(data)
    return MAGIC + b"%d\n" % FORMAT_VERSION + packed


def decode_links(data: Bytes) -> LinkDocument:
    """Raises Failure for a newer format, IntegrityError for what is no document of links."""
    first, _, packed = bytes(data).partition(b"\n")
    version = first.removeprefix(MAGIC)
    if not first.startswith(MAGIC) or not version.isdigit():
        raise _damaged("it does not begin as one")
    if int(version) != FORMAT_VERSION:
        raise Failure(
            f"these links have format {int(version)}; this mvc knows up to {FORMAT_VERSION}",
            kind="newer-format",
            help="upgrade mvc",
        )
    try:
        unpacked = zstandard.ZstdDecompressor().decompress(
            packed, max_output_size=MAX_DOCUMENT_BYTES
        )
        return _links(json.loads(unpacked))
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(type(error).__name__) from None  # whose text may have an address in it


def _links(fields: dict[str, Any]) -> LinkDocument:
    links = {
        str(name): Link(str(address), int(size))
        for name, (address, size) in fields["links"].items()
    }
    objects = {
        str(name): base64.b64decode(value, validate=True)
        for name, value in fields["objects"].items()
    }
    asked = tuple(map(str, fields["asked"]))
    return LinkDocument(str(fields["bucket"]), asked, int(fields["expires"]), objects, links)


def read_only(url: str) -> NotPermitted:
    """The error for who wants to write by links."""
    return NotPermitted(
        f"{url} can only be read",
        kind="read-only",
        cause="links let one read a bucket and nothing else",
        help="mvc remote set-url NAME s3://BUCKET/PREFIX  (with keys of the bucket)",
    )


def _damaged(why: str) -> IntegrityError:
    return IntegrityError(
        "this is no document of links",
        kind="links-damaged",
        cause=why,
        help="mvc remote presign REMOTE --to FILE  (where the keys of the bucket are)",
    )
