"""Frames: whole records one after another, as they rest in packs and travel between stores (FORMAT.md).

A sender reads them from its packs, adjacent ones in one read; a receiver checks each before it appends the same
bytes to a pack of its own. Nothing is encoded anew on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from mvcd.codec.decode import decode, decode_many
from mvcd.errors import CorruptObject, UsageError
from mvcd.ids import Bytes, ChunkId, Digest
from mvcd.lateclasses import NamedTuple
from mvcd.objects import _small
from mvcd.store import _records
from mvcd.store.record import (
    CODECS,
    MAX_BODY_BYTES,
    TYPES,
    BadRecord,
    Record,
    parse_record,
    require_crc,
)

T = TypeVar("T")

FRAME_END_BYTES = 5 << 19
"""Bytes after which a frame ends: 2.5 MiB. A call costs both sides about 1 ms of CPU whatever it carries;
with 1 and 2 MiB a push took a quarter and 5 % more of it than with 3. But 64 clients have one frame each at a
server: with 2, 2.5 and 3 MiB it took 337, 398 and 469 MiB of memory."""
MAX_FRAME_BYTES = 3 << 20
"""Bytes; a frame of one record of the greatest size (2.1 MiB) fits, and 4 MiB is gRPC's limit."""
CROWDED_FRAME_BYTES = 5 << 18
"""Most bytes of a frame for a peer that wants one at a time: many push there, and it holds a frame of each."""
FRAME_RAW_END_BYTES = 6 << 20
"""Raw bytes after which a frame ends, however little they take when stored."""
SMALL_BYTES = 8 << 10
"""Mean bytes of a record below which a frame counts as one of small objects."""
MAX_FRAME_RAW_BYTES = 8 << 20
"""Raw bytes that a frame may declare. Without it 3 MiB of fills would decode to 100 GiB."""


class CheckedRecord(NamedTuple):
    """A record whose checksum, sizes and digest were found right. `data` is a view into its frame."""

    record: Record
    data: memoryview
    raw: bytes


BaseOf = Callable[[ChunkId], bytes]
"""The raw bytes of a delta's base. Raises MissingObject."""


class RecordFrame(NamedTuple):
    """Whole records as they came, each with its bytes; nothing is checked but that they are records, and if it
    is `sound` their checksums."""

    data: Bytes
    records: list[tuple[Record, memoryview]]
    sound: bool = False

    @property
    def small(self) -> bool:
        """Whether checking its records means many short calls. Threads that do so side by side hand the
        interpreter's lock to and fro at each, and take twice as long together as one after another."""
        return len(self.data) < SMALL_BYTES * len(self.records)


def parse_frame(data: Bytes) -> RecordFrame:
    """Raises UsageError when they are not exactly whole records, or more than a frame may hold."""
    view = memoryview(data)
    if len(view) > MAX_FRAME_BYTES:
        raise UsageError(
            f"a frame of {len(view)} bytes; the limit is {MAX_FRAME_BYTES}", kind="too-large"
        )
    parsed = _records.parse(view, Record, TYPES, CODECS, MAX_FRAME_RAW_BYTES, SMALL_BYTES)
    return _parse_with_care(data, view) if parsed is None else RecordFrame(data, *parsed)


def _parse_with_care(data: Bytes, view: memoryview) -> RecordFrame:
    """Says what is wrong with a frame; if its records are whole, their checksums are left to `check_frame`."""
    found: list[tuple[Record, memoryview]] = []
    offset = raw_size = 0
    while offset < len(view):
        try:
            record = parse_record(view, offset, check_crc=False)
        except BadRecord as error:
            raise _bad_frame(error) from error
        raw_size += record.raw_size
        if raw_size > MAX_FRAME_RAW_BYTES:
            raise UsageError(
                f"a frame declares more than {MAX_FRAME_RAW_BYTES} raw bytes", kind="too-large"
            )
        end = offset + record.size
        found.append((record, view[offset:end]))
        offset = end
    return RecordFrame(data, found)


def check_frame(frame: RecordFrame, base_of: BaseOf) -> list[CheckedRecord]:
    """Verifies every record of a frame; a base may stand earlier in it. What it says twice it returns once.

    Holds at most 8 MiB of raw bytes (MAX_FRAME_RAW_BYTES), each object decoded under its declared size as a
    hard limit. Raises UsageError for a wrong checksum, CorruptObject for a record that is not what it says,
    MissingObject for a base that is nowhere.
    """
    if not frame.sound:
        _require_sound(frame)
    alone = [record for record, _ in frame.records if record.base is None]
    raws = decode_many([record.encoded() for record in alone])
    named = iter(zip(raws, digests_of([record.id for record in alone], raws), strict=True))
    found: dict[bytes, CheckedRecord] = {}
    for record, data in frame.records:
        if record.base is None:
            raw, digest = next(named)
        else:
            earlier = found.get(record.base)
            base = base_of(record.base) if earlier is None else earlier.raw
            raw = decode(record.encoded(), base)
            digest = type(record.id).of(raw)
        if digest != record.id:
            raise CorruptObject(
                f"{record.id.kind.name.lower()} {record.id.short()} is not what its digest says",
                kind="digest-mismatch",
                cause="damaged or forged on the way",
            )
        found[record.id] = CheckedRecord(record, data, raw)
    return list(found.values())


def digests_of(ids: Sequence[Digest], raws: Sequence[bytes | None]) -> list[bytes | None]:
    """What the bytes found for each would be called: short ones of a kind in one call, which takes a third of
    the time."""
    kinds: set[type[Digest]] = {type(id) for id in ids}
    short = [raw for raw in raws if raw is not None and len(raw) <= _small.MOST_BYTES]
    if len(kinds) == 1 and len(short) == len(ids):  # nearly all that is read at once
        return [*_small.digests(short, kinds.pop().context())]
    found: list[bytes | None] = [
        None if raw is None or len(raw) <= _small.MOST_BYTES else type(id).of(raw)
        for id, raw in zip(ids, raws, strict=True)
    ]
    for kind in kinds:
        left = {
            at: raw
            for at, (id, raw) in enumerate(zip(ids, raws, strict=True))
            if raw is not None and found[at] is None and type(id) is kind
        }
        for at, digest in zip(left, _small.digests(left.values(), kind.context()), strict=True):
            found[at] = digest
    return found


def _require_sound(frame: RecordFrame) -> None:
    try:
        for record, data in frame.records:
            require_crc(record, data)
    except BadRecord as error:
        raise _bad_frame(error) from error


def _bad_frame(error: BadRecord) -> UsageError:
    return UsageError(
        "a frame holds something else than records", kind="bad-frame", cause=str(error)
    )


def gather(parts: Iterable[tuple[Bytes, int]]) -> Iterator[Bytes]:
    """Frames of about FRAME_END_BYTES made of the given records, each with its raw size."""
    return map(_joined, frame_by_frame((part, len(part), raw_size) for part, raw_size in parts))


def frame_by_frame(records: Iterable[tuple[T, int, int]]) -> Iterator[list[T]]:
    """What stands for records, each with its size and raw size, as many together as make a frame."""
    frame: list[T] = []
    total = raw_total = 0
    for record, size, raw_size in records:
        if frame and (total + size > FRAME_END_BYTES or raw_total + raw_size > FRAME_RAW_END_BYTES):
            yield frame
            frame, total, raw_total = [], 0, 0
        frame.append(record)
        total += size
        raw_total += raw_size
    if frame:
        yield frame


def smaller(frame: Bytes, most_bytes: int) -> Iterator[memoryview]:
    """The same records as frames of at most so many bytes, without a copy; a longer record goes by itself.
    Raises UsageError as `parse_frame` does."""
    view, start, end = memoryview(frame), 0, 0
    for _, data in parse_frame(frame).records:
        if end > start and end + len(data) - start > most_bytes:
            yield view[start:end]
            start = end
        end += len(data)
    if end > start:
        yield view[start:end]


def _joined(parts: Sequence[Bytes]) -> Bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


assert MAX_BODY_BYTES + (64 << 10) < MAX_FRAME_BYTES
