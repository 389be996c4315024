"""Objects and their one byte string.

An object is hashed, stored and sent as one exact string of bytes, so two programs must never write the
same value in two ways. Protobuf alone does not promise that: a reader takes fields in any order, repeated,
unknown, unpacked, or with overlong numbers. Hence the rule of `proto/mvcd/objects/v1/objects.proto`: a
reader parses, drops unknown fields, serialises, and refuses bytes that differ. What passes is exactly what
this module writes.

It knows nothing of what a message means; values that are well-formed but illegal are refused by the
modules that own them, with the same `CorruptObject`.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from mvcd.errors import CorruptObject
from mvcd.ids import DIGEST_BYTES, Digest

MAX_OBJECT_BYTES = 1 << 20
"""Bytes; no recipe, node or version is longer, so no reader ever parses more at once."""

U64_MAX = (1 << 64) - 1

M = TypeVar("M", bound=Message)
D = TypeVar("D", bound=Digest)


def corrupt(what: str, why: str) -> CorruptObject:
    """The error of a reader that met illegal bytes: `what` is "a node", "a recipe", ..."""
    return CorruptObject(f"{what} is damaged", cause=why, help="mvc verify")


def encode(message: Message) -> bytes:
    """The canonical bytes. Raises ValueError above MAX_OBJECT_BYTES."""
    data = message.SerializeToString(deterministic=True)
    if len(data) > MAX_OBJECT_BYTES:
        raise ValueError(f"an object may have {MAX_OBJECT_BYTES} bytes, this one has {len(data)}")
    return data


def decode(message_type: type[M], data: bytes) -> M:
    """The message of which `data` are the canonical bytes. Raises CorruptObject for any other bytes."""
    if len(data) > MAX_OBJECT_BYTES:
        raise _refused(message_type, f"it has {len(data)} bytes, more than {MAX_OBJECT_BYTES}")
    try:
        message = message_type.FromString(data)
    except DecodeError as error:
        raise _refused(message_type, "its bytes are no such message") from error
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != data:
        raise _refused(message_type, "its bytes are not in canonical form")
    return message


def _refused(message_type: type[Message], why: str) -> CorruptObject:
    return corrupt(f"a {message_type.DESCRIPTOR.name.lower()} record", why)


def split_ids(id_type: type[D], packed: bytes) -> list[D]:
    """The digests of a packed `ids` field. Raises ValueError unless it is 32 bytes times a whole number."""
    if len(packed) % DIGEST_BYTES:
        raise ValueError(f"packed ids have {len(packed)} bytes, no multiple of {DIGEST_BYTES}")
    # The length is right by construction: skipping Digest's own check halves the time of a 256-entry node.
    new = bytes.__new__
    if len(packed) == DIGEST_BYTES:  # most files have one chunk
        return [new(id_type, packed)]
    return [new(id_type, packed[i : i + DIGEST_BYTES]) for i in range(0, len(packed), DIGEST_BYTES)]
