"""Records of promotion: one step in the history of a stage, chained by digest to the step before.

A record is the value of the ref `stages/NAME/NUMBER` (proto/mvcd/objects/v1/promotion.proto). The version's id
comes first, in the clear, so that whoever only follows refs (collection, closure checks, sync) needs not to
know of records at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from blake3 import blake3

from mvcd.ids import DIGEST_BYTES, VersionId
from mvcd.objects.canonical import corrupt, decode, encode
from mvcd.objects.v1 import promotion_pb2 as pb
from mvcd.objects.version import Value, key_values, read_values

MAX_RECORD_BYTES = 60 << 10
"""Bytes of a record; a ref's value may have 64 KiB."""

MAX_REQUIREMENTS = 64

_CONTEXT = "mvc 2026-11-25 promotion"


class Step(IntEnum):
    """What became of the stage; the numbers are part of the format."""

    PROMOTE = 0
    ROLLBACK = 1
    WITHDRAW = 2


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition that was met: `found` has the values it speaks of, `rule` whether `mvc.toml` set it."""

    expression: str
    found: Mapping[str, Value] = field(default_factory=dict)
    rule: bool = False

    def __hash__(self) -> int:
        return hash((self.expression, self.rule))


@dataclass(frozen=True, slots=True)
class Promotion:
    """A record. `previous` is the digest of the record before it, empty in the first of a stage."""

    version: VersionId
    stage: str
    number: int
    step: Step
    author: str
    time_us: int
    utc_offset_minutes: int = 0
    reason: str = ""
    requirements: tuple[Requirement, ...] = ()
    signatures: tuple[str, ...] = ()
    previous: bytes = b""
    restores: int = 0  # ROLLBACK: the number of the record whose holder came back

    @property
    def digest(self) -> bytes:
        """Encodes and hashes at every call. Raises ValueError as `encode`."""
        return digest_of(self.encode())

    def encode(self) -> bytes:
        """The ref's value. Raises ValueError if a rule of the schema is broken or it exceeds
        MAX_RECORD_BYTES."""
        self._check()
        message = pb.Promotion(
            stage=self.stage,
            number=self.number,
            step=int(self.step),  # type: ignore[arg-type]  # the stubs want their own enum
            author=self.author,
            time_us=self.time_us,
            utc_offset_minutes=self.utc_offset_minutes,
            reason=self.reason,
            requirements=[_write(r) for r in self.requirements],
            signatures=self.signatures,
            previous=self.previous,
            restores=self.restores,
        )
        data = self.version + encode(message)
        if len(data) > MAX_RECORD_BYTES:
            raise ValueError(
                f"a record may have {MAX_RECORD_BYTES} bytes, this one has {len(data)}"
            )
        return data

    @classmethod
    def decode(cls, data: bytes) -> Promotion:
        """Raises CorruptObject unless `data` is the canonical form of a legal record."""
        if not DIGEST_BYTES < len(data) <= MAX_RECORD_BYTES:
            raise corrupt("a record of promotion", f"it has {len(data)} bytes")
        message = decode(pb.Promotion, data[DIGEST_BYTES:])
        try:
            promotion = cls(
                version=VersionId(data[:DIGEST_BYTES]),
                stage=message.stage,
                number=message.number,
                step=Step(message.step),
                author=message.author,
                time_us=message.time_us,
                utc_offset_minutes=message.utc_offset_minutes,
                reason=message.reason,
                requirements=tuple(
                    Requirement(r.expression, read_values(r.found), r.rule)
                    for r in message.requirements
                ),
                signatures=tuple(message.signatures),
                previous=message.previous,
                restores=message.restores,
            )
            promotion._check()
        except ValueError as error:
            raise corrupt("a record of promotion", str(error)) from error
        return promotion

    def _check(self) -> None:
        """Raises ValueError unless every rule that one record can break holds."""
        if not self.stage or self.number < 1:
            raise ValueError("it names no stage, or no place in its history")
        if len(self.previous) != (0 if self.number == 1 else DIGEST_BYTES):
            raise ValueError(
                f"record {self.number} has {len(self.previous)} bytes of the one before"
            )
        if (self.step is Step.ROLLBACK) != (self.restores > 0) or self.restores >= self.number:
            raise ValueError(f"record {self.number} brings back record {self.restores}")
        if abs(self.utc_offset_minutes) >= 24 * 60:
            raise ValueError(f"a time zone {self.utc_offset_minutes} minutes from UTC")
        if len(self.requirements) > MAX_REQUIREMENTS or not all(
            r.expression for r in self.requirements
        ):
            raise ValueError(f"{len(self.requirements)} requirements, or an empty one")
        if any(a >= b for a, b in pairwise(self.signatures)):
            raise ValueError("signatures are not in strictly ascending order")


def digest_of(record: bytes) -> bytes:
    """The digest of a whole record, which the next one of its stage has to name."""
    return blake3(record, derive_key_context=_CONTEXT).digest()


def _write(requirement: Requirement) -> pb.Requirement:
    message = pb.Requirement(expression=requirement.expression, rule=requirement.rule)
    message.found.extend(key_values(requirement.found))
    return message
