from collections.abc import Iterable

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import Bytes, Digest
from mvcd.store.record import Record
from mvcd.store.rows import ObjectLocation

def parse(
    data: Bytes,
    record: type[Record],
    types: dict[int, type[Digest]],
    codecs: dict[int, Codec],
    most_raw_bytes: int,
    small_bytes: int,
    /,
) -> tuple[list[tuple[Record, memoryview]], bool] | None:
    """The records that a frame is made of, each with its bytes, and whether their checksums were found right:
    they are looked at where a record has fewer than `small_bytes` bytes on the average. Releases the GIL.

    None for what `frames.parse_frame` has to say more of: bytes that are no whole records, a wrong checksum,
    more than `most_raw_bytes` raw bytes, a codec that is not in `codecs`. Raises TypeError where `record` is no
    type of tuples, or `types` has others than of bytes.
    """

def make(kind: int, objects: Iterable[tuple[Digest, Encoded]], /) -> bytes:
    """The records of objects of one kind without bases, one after another: `record.record_head` and body of
    each. Releases the GIL.

    Raises ValueError for one that has a base or whose sizes are beyond the limits, TypeError for what is no
    object.
    """

def rows(records: Bytes, pack: int, offset: int, /) -> list[bytes]:
    """The rows of the objects table for whole records that lie at `offset` of a pack, in order, checksums not
    looked at. Raises ValueError for bytes that are no whole records."""

def raws(data: Bytes, start: int, places: list[ObjectLocation], /) -> list[bytes | None]:
    """The raw bytes of each of these objects out of what was read from `start` on, checksums not looked at.
    None where the record is not as its place says, rests on another, or is in another codec than RAW. Raises
    TypeError for what is no place."""
