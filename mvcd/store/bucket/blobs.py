"""What a bucket has to do, as a protocol: nine calls on named objects, two of them conditional.

Nothing here tries again by itself where a second try could change the answer: a conditional write whose reply
was lost may have landed, and only who wrote can tell by reading back (BUCKET.md, section Refs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from mvcd.ids import Bytes

Tag = NewType("Tag", str)
"""Stands for one state of one object, and means nothing to anybody but the bucket that gave it."""


class BlobAbsent(Exception):
    """No object has that name."""


class BlobChanged(Exception):
    """A conditional write came too late: the object exists already, or is not as its tag says. Nothing was
    written."""


class InDoubt(Exception):
    """A conditional write was sent and its outcome is unknown: it may have landed, or land later."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One object in a listing."""

    name: str
    size_bytes: int
    modified_ns: int  # by the bucket's clock


class Blobs(Protocol):
    """Objects by name below one place. Names are ASCII, parts joined by `/`, at most 500 bytes. Calls may come
    from several threads at once.

    All calls raise RemoteUnreachable, after tries of their own where these are harmless, and AuthError.
    """

    sealed: bool
    """Whether objects are encrypted on their way (SEALED.md)."""
    read_only: bool
    """Whether writing is refused, by whatever key (LINKS.md)."""

    @property
    def url(self) -> str:
        """The place, without any secret."""

    def get(self, name: str) -> tuple[bytes, Tag]:
        """A whole object. Raises BlobAbsent."""

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        """A whole object; None if it still is as `tag` says, where most buckets send no content then. Raises
        BlobAbsent."""

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of one object, from `start` up to `end`, in the order asked; neighbours may be read as one.
        Raises BlobAbsent, IntegrityError when the object ends before."""

    def put(self, name: str, data: Bytes) -> None:
        """Writes an object whose name tells its content: a second one of that name is equal to the first."""

    def create(self, name: str, data: Bytes) -> Tag:
        """Writes a new object. Raises BlobChanged where there is one, InDoubt."""

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        """Replaces an object that is still as `tag` says. Raises BlobChanged, InDoubt."""

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Objects whose names begin so, in the order of their names."""

    def delete(self, names: Iterable[str]) -> None:
        """Removes objects, without any condition; absent ones are no error."""

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        """Addresses by which anybody reads these objects for so many seconds: secrets. Raises Failure where the
        bucket has none (LINKS.md)."""

    def close(self) -> None: ...
