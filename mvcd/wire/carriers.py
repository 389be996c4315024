"""The two messages that carry frames, to and from bytes without protobuf's copies.

Python's protobuf copies a field's bytes on the way in, at each look at them, and again to tell a message's
size: for a push of 1 GiB half of the server's time outside the kernel. What is written here is what protobuf
would write; what is not laid out that way is left to protobuf to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvcd.ids import Bytes
from mvcd.wire.v1 import remote_pb2 as pb

_LENGTH_DELIMITED = 2
_MAX_VARINT_BYTES = 5
"""Bytes of a length below 2 GiB, protobuf's limit."""


@dataclass(slots=True)
class PutRequest:
    """The message of that name in remote.proto. `records`, as read, is a view into the message."""

    repo: str
    session: bytes
    records: Bytes

    def serialize(self) -> bytes:
        return _joined((self.repo.encode(), self.session, self.records))

    @classmethod
    def parse(cls, data: bytes) -> PutRequest:
        """Raises DecodeError."""
        try:
            repo, session, records = _split(data, 3)
            return cls(str(repo, "utf-8"), bytes(session), records)
        except ValueError:
            message = pb.PutRequest.FromString(data)
            return cls(message.repo, message.session, message.records)

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        return len(self.repo) + len(self.session) + len(self.records)


@dataclass(slots=True)
class GetReply:
    """The message of that name in remote.proto. `records`, as read, is a view into the message."""

    records: Bytes = b""
    missing: Bytes = b""

    def serialize(self) -> bytes:
        return _joined((self.records, self.missing))

    @classmethod
    def parse(cls, data: bytes) -> GetReply:
        """Raises DecodeError."""
        try:
            return cls(*_split(data, 2))
        except ValueError:
            message = pb.GetReply.FromString(data)
            return cls(message.records, message.missing)

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        return len(self.records) + len(self.missing)


def _joined(values: Sequence[Bytes]) -> bytes:
    """Fields 1, 2, ... of bytes or text; empty ones are not written."""
    parts: list[Bytes] = []
    for number, value in enumerate(values, 1):
        if value:
            parts += (_head(number, len(value)), value)
    return b"".join(parts)


def _head(number: int, size: int) -> bytes:
    head = bytearray([number << 3 | _LENGTH_DELIMITED])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head)


def _split(data: bytes, count: int) -> list[memoryview]:
    """The values of fields 1 to `count`. Raises ValueError unless each is there at most once, in order, and
    nothing else is."""
    view = memoryview(data)
    values, at = [view[:0]] * count, 0
    for number in range(1, count + 1):
        if at < len(view) and view[at] == number << 3 | _LENGTH_DELIMITED:
            size, at = _size(view, at + 1)
            if size > len(view) - at:
                raise ValueError("cut short")
            values[number - 1] = view[at : at + size]
            at += size
    if at < len(view):
        raise ValueError("something else is there")
    return values


def _size(view: memoryview, at: int) -> tuple[int, int]:
    """A varint (Protocol Buffers, Encoding) and where it ends. Raises ValueError."""
    size = 0
    for shift, byte in enumerate(view[at : at + _MAX_VARINT_BYTES]):
        size |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return size, at + shift + 1
    raise ValueError("no length")
