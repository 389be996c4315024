"""The state of a store in a bucket: what its one object `refs` says, and what becomes of it (BUCKET.md, section
Refs)."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import zstandard

from mvcd.errors import Conflict, Failure, IntegrityError
from mvcd.ids import Bytes
from mvcd.store.api import AuditHead, AuditRow
from mvcd.store.audit import NO_ROWS, after
from mvcd.store.refs import RefTransaction

REFS = "refs"
PACKS = "packs/"
RUNS = "runs/"
LOGS = "logs/"
CLOCK = "clock/"
_WRITTEN_ONCE = re.compile(r"(?:packs|runs|logs)/[0-9a-f]{64}|clock/[0-9a-f]{16}")

FORMAT_VERSION = 1
MAX_STATE_BYTES = 256 << 20
KEPT_WRITE_IDS = 64
"""Write-ids of so many swaps stay: who is in doubt for longer is told that nobody can know."""

_COPY_BITS = 32
"""The bits of an epoch above these tell copies of a store apart (BUCKET.md, section The client's index)."""
_MAGIC = b"mvc-bucket "
SEALED_MAGIC = b"mvc-sealed 1\n"
"""What a state begins with that is encrypted (SEALED.md)."""


def is_of_store(name: str) -> bool:
    """Whether an object that is written once has a name that a store gives. Others may lie beside these, for
    `runs/` and `logs/` are names that people give, too; they are nobody's to collect."""
    return _WRITTEN_ONCE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A live index run. `packs` came with it and are `pack_bytes` long; sizes in bytes."""

    name: str
    size_bytes: int
    rows: int
    packs: int
    pack_bytes: int


@dataclass(frozen=True, slots=True)
class LogSegment:
    """Rows of a log, from number `first` to `last`, in an object below `logs/`."""

    name: str
    first: int
    last: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Condemned:
    """An object that is to be deleted, and when that was decided, by the bucket's clock."""

    name: str  # with what stands before its hash
    size_bytes: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class BucketState:
    """One state of a store. Each swap replaces it by the next."""

    id: str
    options: Mapping[str, str] = field(default_factory=dict)  # how the bucket wants to be used
    generation: int = 0
    epoch: int = 0
    changes: int = 0
    writes: tuple[str, ...] = ()
    refs: Mapping[str, bytes] = field(default_factory=dict)
    runs: tuple[RunEntry, ...] = ()
    operation: int = 0  # the newest one's number
    first_operation: int = 1  # those before were dropped
    operations: tuple[tuple[int, bytes], ...] = ()  # ascending
    operation_segments: tuple[LogSegment, ...] = ()
    audit_head: AuditHead = NO_ROWS
    audit: tuple[AuditRow, ...] = ()
    audit_segments: tuple[LogSegment, ...] = ()
    condemned: tuple[Condemned, ...] = ()
    kept_bytes: int = 0

    @property
    def instance(self) -> str:
        """The id, and for a copy of the store that had the id first, which copy it is."""
        copy = self.epoch >> _COPY_BITS
        return f"{self.id}-{copy:x}" if copy else self.id

    @property
    def rows(self) -> int:
        """Rows of all runs; an object that has several is counted as often."""
        return sum(run.rows for run in self.runs)

    @property
    def pack_bytes(self) -> int:
        return sum(run.pack_bytes for run in self.runs)

    def written(self, write_id: str) -> Self:
        """The same as the next generation, written by this swap."""
        writes = (*self.writes[1 - KEPT_WRITE_IDS :], write_id)
        return replace(self, generation=self.generation + 1, writes=writes)

    def moved(self, what: RefTransaction) -> Self:
        """The state after a commit's refs, operation and audit row. Raises Conflict(kind="ref-changed")."""
        refs = dict(self.refs)
        for update in what.updates:
            if refs.get(update.name) != update.expect:
                raise Conflict(
                    f"{update.name} has changed meanwhile",
                    kind="ref-changed",
                    cause="somebody else moved it" if update.name in refs else "it does not exist",
                    help="run the command again",
                )
            if update.target is None:
                refs.pop(update.name, None)
            else:
                refs[update.name] = update.target
        made = replace(self, refs=refs, changes=self.changes + what.recorded)
        if what.operation is not None:
            number = self.operation + 1
            rows = (*self.operations, (number, what.operation))
            made = replace(made, operation=number, operations=rows)
        if what.audit is not None:
            row, head = after(self.audit_head, what.audit)
            made = replace(made, audit=(*self.audit, row), audit_head=head)
        return made


# ---------------------------------------------------------------------- to and from bytes


def new_copy_epoch() -> int:
    """The first epoch of a store that gets another one's id."""
    return (secrets.randbits(_COPY_BITS) | 1) << _COPY_BITS


def encode_state(state: BucketState) -> bytes:
    """The bytes of the object `refs`."""
    fields = asdict(state)
    fields["refs"] = {name: _text(value) for name, value in state.refs.items()}
    fields["operations"] = [[number, _text(data)] for number, data in state.operations]
    fields["audit_head"] = [state.audit_head.sequence, state.audit_head.digest.hex()]
    fields["audit"] = [[r.sequence, r.previous.hex(), _text(r.data)] for r in state.audit]
    data = json.dumps(fields, separators=(",", ":")).encode()
    packed = zstandard.ZstdCompressor(3, write_checksum=True).compress(data)
    return _MAGIC + b"%d\n" % FORMAT_VERSION + packed


def decode_state(data: Bytes, where: str) -> BucketState:
    """The state that the object `refs` of the place `where` says. Raises Failure for a newer format, and with
    kind="sealed" for an encrypted state; IntegrityError for what is no state of a store."""
    if bytes(data[: len(SEALED_MAGIC)]) == SEALED_MAGIC:
        raise Failure("this bucket is encrypted", kind="sealed")
    first, _, packed = bytes(data).partition(b"\n")
    version = first.removeprefix(_MAGIC)
    if not first.startswith(_MAGIC) or not version.isdigit():
        raise _damaged(where, "it does not begin as one of mvc; somebody else may have that name")
    if int(version) != FORMAT_VERSION:
        raise Failure(
            f"this bucket has format {int(version)}; this mvc knows up to {FORMAT_VERSION}",
            kind="newer-format",
            help="upgrade mvc",
        )
    try:
        unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_STATE_BYTES)
        return _state(json.loads(unpacked))
    except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
        raise _damaged(where, str(error)) from error


def _state(fields: dict[str, Any]) -> BucketState:
    sequence, digest = fields["audit_head"]
    return BucketState(
        id=fields["id"],
        options=dict(fields["options"]),
        generation=fields["generation"],
        epoch=fields["epoch"],
        changes=fields["changes"],
        writes=tuple(fields["writes"]),
        refs={name: _bytes(value) for name, value in fields["refs"].items()},
        runs=tuple(RunEntry(**run) for run in fields["runs"]),
        operation=fields["operation"],
        first_operation=fields["first_operation"],
        operations=tuple((number, _bytes(value)) for number, value in fields["operations"]),
        operation_segments=tuple(LogSegment(**one) for one in fields["operation_segments"]),
        audit_head=AuditHead(sequence, bytes.fromhex(digest)),
        audit=tuple(AuditRow(n, bytes.fromhex(p), _bytes(d)) for n, p, d in fields["audit"]),
        audit_segments=tuple(LogSegment(**one) for one in fields["audit_segments"]),
        condemned=tuple(Condemned(**one) for one in fields["condemned"]),
        kept_bytes=fields["kept_bytes"],
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _damaged(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"the object 'refs' of {where} is damaged",
        kind="refs-damaged",
        cause=why,
        help="put it back from a version or a copy of the bucket; or name another place: mvc remote set-url",
    )
