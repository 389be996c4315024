"""Stages: names like `production` whose holder changes by records, each kept for good (promotion.proto).

Here the histories are read and judged; promotion.py writes them. A stage is not one ref that moves but a ref a
record, made once. So "what was live then, who put it there, why" needs no log beside it, histories travel with
push and pull as refs do, and two promotions at once are two attempts to make the same ref, of which one fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mvcd.errors import Conflict, Failure, MvcError, UsageError
from mvcd.ids import VersionId
from mvcd.objects.promotion import Promotion, Step, digest_of
from mvcd.repo.records.moments import Moment
from mvcd.repo.records.names import read_as, rule_broken
from mvcd.repo.records.refs import STAGES
from mvcd.store.api import RefUpdate, Store

_REF = re.compile(re.escape(STAGES) + r"([A-Za-z0-9_][A-Za-z0-9._+-]*)/([0-9]{8})")
"""Its name: fewer characters than a branch may have."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A record and its digest. `until`: the record that ended it, None while it is the newest."""

    promotion: Promotion
    digest: str  # hex
    generation: int = 0  # of the version: 12 for v12
    until: Promotion | None = None

    @property
    def live(self) -> bool:
        """Whether the version holds the stage by this record, or did until the next."""
        return self.promotion.step is not Step.WITHDRAW


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Whether a history is whole. `head` is the digest of its newest record: note it elsewhere as a seal."""

    stage: str
    records: int
    head: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def check_stage(stage: str) -> None:
    """Raises UsageError unless `stage` may name one."""
    if not is_record(ref_name(stage, 1)):
        raise UsageError(
            f"{stage!r} cannot name a stage",
            cause="a stage's name has letters, digits and . _ + -, and must not read as a revision (HEAD, v12)",
        )


def is_record(ref: str) -> bool:
    """Whether a ref has the name of a stage's record."""
    match = _REF.fullmatch(ref)
    return match is not None and rule_broken(match[1]) is None and read_as(match[1]) is None


def ref_name(stage: str, number: int) -> str:
    return f"{STAGES}{stage}/{number:08d}"


def names(store: Store) -> list[str]:
    """Stages that ever had a holder."""
    matches = (_REF.fullmatch(name) for name in store.refs(STAGES))
    return sorted({match[1] for match in matches if match})


def values(store: Store, stage: str) -> dict[int, bytes]:
    """The records of a stage as stored, by number, ascending."""
    found = {}
    for name, value in sorted(store.refs(f"{STAGES}{stage}/").items()):
        if match := _REF.fullmatch(name):
            found[int(match[2])] = value
    return found


def records(store: Store, stage: str) -> list[StageRecord]:
    """Newest first. Raises Failure(kind="unknown-stage"), CorruptObject."""
    decoded = [(Promotion.decode(v), digest_of(v).hex()) for v in values(store, stage).values()]
    if not decoded:
        known = names(store)
        raise Failure(
            f"there is no stage {stage!r}",
            kind="unknown-stage",
            cause=f"the stages are {', '.join(known)}" if known else "nothing was promoted yet",
            help=f"mvc promote REV {stage} --reason '...'",
        )
    followers = [p for p, _ in decoded[1:]]
    found = [
        StageRecord(promotion, digest, until=until)
        for (promotion, digest), until in zip(decoded, [*followers, None], strict=True)
    ]
    return found[::-1]


def holder(store: Store, stage: str) -> VersionId | None:
    """Who holds a stage now; None if there is no such stage. Raises Failure when nobody does."""
    newest = max(values(store, stage).items(), default=None)
    if newest is None:
        return None
    record = Promotion.decode(newest[1])
    if record.step is Step.WITHDRAW:
        raise Failure(
            f"no version holds stage {stage!r}",
            kind="vacant-stage",
            cause=f"{record.version.short()} was withdrawn: {record.reason or 'no reason given'}",
            help=f"mvc stage history {stage}",
        )
    return record.version


def holders(store: Store) -> dict[str, VersionId]:
    """The stages that a version holds, and which. Raises CorruptObject."""
    newest: dict[str, bytes] = {}
    for name, value in sorted(store.refs(STAGES).items()):
        if match := _REF.fullmatch(name):
            newest[match[1]] = value
    decoded = ((stage, Promotion.decode(value)) for stage, value in newest.items())
    return {stage: p.version for stage, p in decoded if p.step is not Step.WITHDRAW}


def during(history: Sequence[StageRecord], moment: Moment) -> Iterator[StageRecord]:
    """Returns those of a history (newest first) that were in force at a moment, or for a part of it."""
    for record in history:
        begin, end = record.promotion, record.until
        if not moment.begun(begin.time_us, begin.utc_offset_minutes):
            continue
        if end is None or not moment.over(end.time_us, end.utc_offset_minutes):
            yield record


def knows(store: Store, record: Promotion) -> bool:
    """Whether the stage's history has exactly this record."""
    return store.ref(ref_name(record.stage, record.number)) == record.encode()


def require_appended(store: Store, updates: Iterable[RefUpdate]) -> None:
    """Refuses updates of records that would do anything but continue the histories of their stages.

    For all who move refs for themselves or for others. Raises Conflict(kind="not-appended"), CorruptObject.
    """
    newest: dict[str, tuple[int, bytes]] = {}
    for update in sorted(updates, key=lambda u: u.name):
        if not (match := _REF.fullmatch(update.name)):
            continue
        stage, number = match[1], int(match[2])
        last, value = newest.get(stage) or max(values(store, stage).items(), default=(0, b""))
        if update.expect is not None or update.target is None or number != last + 1:
            raise _not_appended(stage, f"record {number} is not the one after record {last}")
        record = Promotion.decode(update.target)
        previous = digest_of(value) if last else b""
        if (record.stage, record.number, record.previous) != (stage, number, previous):
            raise _not_appended(
                stage, f"record {number} does not follow record {last} as it is here"
            )
        newest[stage] = number, update.target


def _not_appended(stage: str, why: str) -> Conflict:
    return Conflict(
        f"the history of stage {stage!r} only grows",
        kind="not-appended",
        cause=why,
        help=f"mvc stage history {stage}",
    )


def check(store: Store, stage: str, seal: str | None = None) -> ChainReport:
    """Follows the chain from its first record to its newest.

    `seal` is the digest (hex) of a record, noted when it was the newest: it has to be in the chain still.
    Raises Failure(kind="unknown-stage").
    """
    found = values(store, stage)
    if not found:
        records(store, stage)  # raises
    problems: list[str] = []
    before: dict[int, Promotion] = {}
    previous, digests = b"", set[str]()
    for expected, (number, value) in enumerate(found.items(), 1):
        if number != expected:
            problems.append(f"record {expected} is missing")
            break  # all later ones would be reported for the same reason
        try:
            record = Promotion.decode(value)
        except MvcError as error:
            problems.append(f"record {number} cannot be read: {error.cause}")
        else:
            problems += (f"record {number} {why}" for why in _wrong(record, stage, number, before))
            if record.previous != previous:
                problems.append(f"record {number - 1} is not the one that record {number} followed")
            before[number] = record
        previous = digest_of(value)
        digests.add(previous.hex())
    if seal is not None and seal.lower() not in digests:
        problems.append(
            f"no record has the digest {seal}: the history was rewritten since it was noted"
        )
    return ChainReport(stage, len(found), previous.hex(), tuple(problems))


def _wrong(
    record: Promotion, stage: str, number: int, before: dict[int, Promotion]
) -> Iterator[str]:
    """What a record says of itself and of those before it, against what is there."""
    if (record.stage, record.number) != (stage, number):
        yield f"was made as record {record.number} of {record.stage!r}"
    restored = before.get(record.restores)
    if restored is not None and restored.version != record.version:
        yield f"brings back {record.version.short()}, but record {record.restores} is of another"
    last = before.get(number - 1)
    if record.step is Step.WITHDRAW and last is not None and last.version != record.version:
        yield f"withdraws {record.version.short()}, which did not hold the stage"
