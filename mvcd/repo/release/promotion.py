"""Promotion: a version is put on a stage, brought back to it, or withdrawn, each with a record that stays.

`undo` of any of these does not delete the record: what was live, if only for a minute, was live. It appends
the record that brings the state before back. The same holds for `undo` of that undo. A pull's records are
other people's: undoing the pull leaves them (operations.inverse).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.ids import VersionId
from mvcd.objects.promotion import MAX_REQUIREMENTS, Promotion, Requirement, Step
from mvcd.repo.core.core import Core
from mvcd.repo.records import stages
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import Operation
from mvcd.repo.records.refs import EMPTY_ID, STAGES
from mvcd.repo.records.stages import StageRecord
from mvcd.repo.release import gate
from mvcd.repo.release.requirement import CheckedRequirement
from mvcd.repo.trust.judging import Trust
from mvcd.store.api import RefUpdate, Session

MAX_REASON_BYTES = 16 << 10
"""Bytes."""


def promote(
    core: Core,
    rev: str,
    stage: str,
    *,
    context: Context,
    require: Sequence[str] = (),
    reason: str = "",
    trust: Callable[[], Trust] = Trust,
) -> StageRecord:
    """Puts a version on a stage if it passes the gate (gate.py).

    `trust` says whose signatures count; it is asked if a rule demands one. By default no signature is good.
    Raises GateFailed, Failure (kind "missing-content", "holds-already", "no-versions"), Conflict.
    """
    with core.lock.hold():
        id, newest, current = _candidate(core, rev, stage, require)
        with _kept(core, id) as session:
            met, signatures = _pass(core, stage, id, current, require, trust)
            record = _following(
                newest, stage, id, Step.PROMOTE, context, reason,
                requirements=met, signatures=signatures,
            )  # fmt: skip
            detail = f"promote {_named(core, id)} {stage}"
            return _append(core, record, context, "promote", detail, session)


def check(
    core: Core,
    rev: str,
    stage: str,
    *,
    require: Sequence[str] = (),
    trust: Callable[[], Trust] = Trust,
) -> tuple[CheckedRequirement, ...]:
    """Holds a version against the gate of a stage as `promote` would, and changes nothing. Returns every
    requirement as it was checked, all met. Raises what `promote` raises before it writes."""
    id, _, current = _candidate(core, rev, stage, require)
    checked, _ = _gate(core, stage, id, current, require, trust)
    return tuple(checked)


def _candidate(
    core: Core, rev: str, stage: str, require: Sequence[str]
) -> tuple[VersionId, Promotion | None, VersionId | None]:
    """The version, the newest record of the stage, and who holds it. Raises UsageError, Failure."""
    stages.check_stage(stage)
    if len(require) > MAX_REQUIREMENTS:
        raise UsageError(f"a promotion may have {MAX_REQUIREMENTS} requirements")
    id = core.resolve(rev)
    if id == EMPTY_ID:
        raise Failure(
            f"{rev} is the empty version v0", kind="no-versions", help="mvc commit -m '...'"
        )
    newest = _newest(core, stage)
    current = newest.version if newest and newest.step is not Step.WITHDRAW else None
    if current == id:
        raise Failure(
            f"v{core.version(id).generation} holds {stage} already",
            kind="holds-already",
            help=f"mvc stage history {stage}",
        )
    return id, newest, current


def rollback(
    core: Core, stage: str, *, context: Context, to: int | None = None, reason: str = ""
) -> StageRecord:
    """Brings back who held the stage before, or by record `to`. It met the requirements of its day.

    Raises Failure(kind="no-earlier-holder", "unknown-record", "missing-content").
    """
    with core.lock.hold():
        history = _history(core, stage)
        target = _earlier(history) if to is None else _chosen(history, to)
        with _kept(core, target.version) as session:
            _require_content(core, target.version, stage)
            record = _restoring(history, target, context, reason)
            detail = f"stage rollback {stage} to {_named(core, target.version)}"
            return _append(core, record, context, "stage", detail, session)


def withdraw(core: Core, stage: str, *, context: Context, reason: str = "") -> StageRecord:
    """Leaves the stage to nobody from now on. Raises Failure(kind="vacant-stage")."""
    with core.lock.hold():
        newest = _history(core, stage)[-1]
        if newest.step is Step.WITHDRAW:
            raise Failure(
                f"no version holds stage {stage!r}",
                kind="vacant-stage",
                help=f"mvc stage history {stage}",
            )
        record = _following(newest, stage, newest.version, Step.WITHDRAW, context, reason)
        return _append(core, record, context, "stage", f"stage withdraw {stage}")


def compensation(core: Core, undone: Operation, context: Context) -> list[RefUpdate]:
    """Records that bring the stages an operation moved back to where they stood before it.

    Raises Conflict when one has moved since.
    """
    if undone.verb not in ("promote", "stage", "undo"):
        return []
    found = []
    for move in undone.moves:
        if not move.name.startswith(STAGES) or move.new is None:
            continue
        made = Promotion.decode(move.new)
        history = _history(core, made.stage)
        if _state(history[-1]) != _state(made):
            raise Conflict(
                f"operation {undone.number} cannot be undone any more",
                kind="ref-changed",
                cause=f"stage {made.stage} has moved since",
                help=f"mvc stage history {made.stage}  (mvc stage rollback moves it again)",
            )
        reason = f"undo of operation {undone.number}"
        before = history[made.number - 2] if made.number > 1 else None
        if before is not None and before.step is not Step.WITHDRAW:
            record = _restoring(history, before, context, reason)
        else:
            record = _following(
                history[-1], made.stage, made.version, Step.WITHDRAW, context, reason
            )
        found.append(_update(record))
    return found


# -------------------------------------------------------------------- the gate


def _pass(
    core: Core,
    stage: str,
    id: VersionId,
    current: VersionId | None,
    require: Sequence[str],
    trust: Callable[[], Trust],
) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """What was met, and the signatures that were demanded. Raises GateFailed, Failure."""
    checked, signatures = _gate(core, stage, id, current, require, trust)
    return tuple(Requirement(c.expression, c.found, c.rule) for c in checked), tuple(signatures)


def _gate(
    core: Core,
    stage: str,
    id: VersionId,
    current: VersionId | None,
    require: Sequence[str],
    trust: Callable[[], Trust],
) -> tuple[list[CheckedRequirement], list[str]]:
    """Requirements that are all met, and good signatures if they are demanded. Raises GateFailed, Failure."""
    version, rules = core.version(id), gate.rules(core, stage)
    checked = gate.requirements(core, stage, id, current, require, rules.require)
    signatures, unsound = gate.signers(core, id, trust) if rules.signed else ([], [])
    reasons = [f"{c.expression}: {c.why}" for c in checked if not c.met]
    unsigned = rules.signed and not signatures
    if unsigned:
        reasons.append("; ".join(["it has no good signature", *unsound]))
    if reasons:
        raise gate.GateFailed(
            f"v{version.generation} may not hold {stage}",
            checked,
            cause="; ".join(reasons),
            help=f"mvc {'sign' if unsigned else 'show'} {id.short(10)}  "
            f"(the rules: [stages.{stage}] in mvc.toml)",
        )
    _require_content(core, id, stage)
    return checked, signatures


@contextlib.contextmanager
def _kept(core: Core, id: VersionId) -> Iterator[Session]:
    """Keeps collection from what a version reaches, from before it is looked at until a ref names it."""
    with core.store.session() as session:
        core.rely_on(session, {id})
        yield session


def _require_content(core: Core, id: VersionId, stage: str) -> None:
    absent = gate.missing(core, core.version(id))
    if absent:
        raise Failure(
            f"{_named(core, id)} is not whole here, so it may not hold {stage}",
            kind="missing-content",
            cause="content is missing of " + ", ".join(absent),
            help="mvc verify"
            if core.promised is None
            else f"mvc export {id.hex()[:10]} DIR  (fetches it)",
        )


# -------------------------------------------------------------------- records


def _history(core: Core, stage: str) -> list[Promotion]:
    """Oldest first. Raises Failure(kind="unknown-stage")."""
    return [r.promotion for r in stages.records(core.store, stage)][::-1]


def _newest(core: Core, stage: str) -> Promotion | None:
    newest = max(stages.values(core.store, stage).items(), default=None)
    return None if newest is None else Promotion.decode(newest[1])


def _following(
    newest: Promotion | None,
    stage: str,
    id: VersionId,
    step: Step,
    context: Context,
    reason: str,
    *,
    requirements: tuple[Requirement, ...] = (),
    signatures: tuple[str, ...] = (),
    restores: int = 0,
) -> Promotion:
    if len(reason.encode()) > MAX_REASON_BYTES:
        raise UsageError(f"a reason may have {MAX_REASON_BYTES >> 10} KiB")
    return Promotion(
        version=id,
        stage=stage,
        number=1 if newest is None else newest.number + 1,
        step=step,
        author=context.author,
        time_us=context.time_us,
        utc_offset_minutes=context.utc_offset_minutes,
        reason=reason,
        requirements=requirements,
        signatures=signatures,
        previous=b"" if newest is None else newest.digest,
        restores=restores,
    )


def _restoring(
    history: Sequence[Promotion], target: Promotion, context: Context, reason: str
) -> Promotion:
    """The record that brings back who held the stage by record `target`."""
    return _following(
        history[-1], target.stage, target.version, Step.ROLLBACK, context, reason,
        restores=_origin(target),
    )  # fmt: skip


def _origin(record: Promotion) -> int:
    """The promotion that a record goes back to: a rollback always names one, never another rollback."""
    return record.restores if record.step is Step.ROLLBACK else record.number


def _state(record: Promotion) -> int:
    """Who holds the stage by a record, as the number of the promotion it goes back to; 0 for nobody."""
    return 0 if record.step is Step.WITHDRAW else _origin(record)


def _earlier(history: Sequence[Promotion]) -> Promotion:
    """Who held the stage before its holder did; a version brought back goes further back from its own time."""
    newest = history[-1]
    if newest.step is Step.WITHDRAW:
        return history[-2]
    for record in reversed(history[: _origin(newest) - 1]):
        if record.step is not Step.WITHDRAW and record.version != newest.version:
            return record
    raise Failure(
        f"no other version held stage {newest.stage!r} before",
        kind="no-earlier-holder",
        help=f"mvc stage withdraw {newest.stage}, or: mvc stage history {newest.stage}",
    )


def _chosen(history: Sequence[Promotion], number: int) -> Promotion:
    stage = history[-1].stage
    if not 1 <= number <= len(history) or history[number - 1].step is Step.WITHDRAW:
        raise Failure(
            f"stage {stage!r} has no record {number} of a version that held it",
            kind="unknown-record",
            help=f"mvc stage history {stage}",
        )
    found, newest = history[number - 1], history[-1]
    if newest.step is not Step.WITHDRAW and newest.version == found.version:
        raise Failure(
            f"the version of record {number} holds {stage} already",
            kind="holds-already",
            help=f"mvc stage history {stage}",
        )
    return found


def _append(
    core: Core,
    record: Promotion,
    context: Context,
    verb: str,
    detail: str,
    session: Session | None = None,
) -> StageRecord:
    core.record(context, verb, detail, [_update(record)], session=session)
    generation = core.version(record.version).generation
    return StageRecord(record, record.digest.hex(), generation)


def _update(record: Promotion) -> RefUpdate:
    try:
        value = record.encode()
    except ValueError as error:
        raise UsageError("this promotion cannot be recorded", cause=str(error)) from error
    return RefUpdate(stages.ref_name(record.stage, record.number), None, value)


def _named(core: Core, id: VersionId) -> str:
    return f"v{core.version(id).generation}"
