"""Pruning: automatic versions that no rule of `[retention]` keeps lose their content, never their record.

Only marks are made here (records/PRUNED.md); collection lets the content go when the time of grace is over.
Never pruned is what a person made, what a branch, tag, remote's ref or HEAD points to, what was ever on a
stage, and what is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mvcd.errors import Failure, MissingObject, MvcError
from mvcd.ids import Digest, NodeId, VersionId
from mvcd.objects.glance import Glance
from mvcd.objects.version import Component
from mvcd.repo.care import retention
from mvcd.repo.care.keepers import Keepers
from mvcd.repo.care.owners import Objects, Owner, OwnerWalk
from mvcd.repo.care.retention import Rules, Saved
from mvcd.repo.core import remotes
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import is_here, roots_of
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records import pruned
from mvcd.repo.records.committed import Context
from mvcd.repo.records.pruned import Pruning, marked_by
from mvcd.repo.records.refs import HEADS, PRUNED, SIGNATURES, target_of, versions_of_refs
from mvcd.repo.share.fetching import connected
from mvcd.store.api import RefUpdate, Session
from mvcd.store.peer import Peer
from mvcd.sync.walk import difference

_AUTO = "auto"
_ASKED_OBJECTS = 16 << 10


@dataclass(frozen=True, slots=True)
class PrunedVersion:
    """A version that goes."""

    id: VersionId
    number: int
    time_us: int
    utc_offset_minutes: int
    message: str
    size: int  # of its files


@dataclass(frozen=True, slots=True)
class PruneResult:
    """`versions` went, or would go; `unsafe` would, but too few remotes have them: why, by version. `freed` are
    bytes that collection gives back, from `until_us` on (0 if not measured). `kept` counts those that stay, by
    the first rule that keeps them. `operation` is None where nothing was done."""

    rules: str
    versions: tuple[PrunedVersion, ...]
    unsafe: Mapping[VersionId, str]
    kept: Mapping[str, int]
    freed: int
    until_us: int
    dry_run: bool
    operation: int | None = None


def prune(
    core: Core, *, context: Context, dry_run: bool = False, measured: bool = True
) -> PruneResult:
    """Applies the repository's rules. What that frees is found out by a walk through all lists, unless it need
    not be `measured`. Raises Failure(kind="no-rules") where there are none."""
    rules = retention.load(core)
    if rules is None:
        raise Failure(
            "mvc.toml has no [retention] table, so every version keeps its content",
            kind="no-rules",
            help="mvc help prune  (has an example)",
        )
    with core.lock.hold():
        return _prune(core, rules, context, dry_run=dry_run, measured=measured)


def _prune(
    core: Core, rules: Rules, context: Context, *, dry_run: bool, measured: bool
) -> PruneResult:
    now = context.time_us
    refs = core.store.refs()
    going, kept = _choice(core, rules, refs, now)
    unsafe = _unsafe(core, rules.min_copies, going) if rules.min_copies else {}
    going = [version for version in going if version.id not in unsafe]
    pruning = Pruning(now, now + rules.grace_us, pruned.shortened(rules.text))
    found = PruneResult(
        rules.text, tuple(map(_going, going)), unsafe, kept,
        _freed(core, frozenset(v.id for v in going)) if going and measured else 0, pruning.until_us, dry_run,
    )  # fmt: skip
    if dry_run or not going:
        return found
    updates = list(_marks({v.id: pruning for v in going}, refs, now))
    detail = f"prune {len(going)} version{'s' * (len(going) > 1)} ({pruning.rule})"
    done = core.record(context, "prune", detail, updates)
    return PruneResult(
        found.rules, found.versions, unsafe, kept, found.freed, found.until_us, dry_run, done
    )


def _marks(
    new: Mapping[VersionId, Pruning], refs: Mapping[str, bytes], now_us: int
) -> Iterable[RefUpdate]:
    """New marks; old ones that nobody can undo are put together."""
    old = pruned.settled(refs, now_us)
    merged = {id: pruning for marked in old.values() for id, pruning in marked.items()}
    made = {pruned.name_of(value): value for one in (new, merged) for value in pruned.encode(one)}
    for name, value in made.items():
        if refs.get(name) != value:
            yield RefUpdate(name, None, value)
    for name in old.keys() - made.keys():
        yield RefUpdate(name, refs[name], None)


# -------------------------------------------------------------------- which


def _choice(
    core: Core, rules: Rules, refs: Mapping[str, bytes], now_us: int
) -> tuple[list[Glance], dict[str, int]]:
    """Versions that go, oldest first, and how many stay by which rule."""
    gone, untouchable = marked_by(refs).keys(), _untouchable(refs)
    candidates: dict[VersionId, Glance] = {}
    stays: dict[VersionId, str] = {}
    for name, value in refs.items():
        if name.startswith(HEADS):
            line = [v for v in ancestors(core, [target_of(value)]) if v.trigger == _AUTO]
            known = [v for v in line if v.id not in gone]
            candidates.update((v.id, v) for v in known)
            kept = retention.kept(rules, (_saved(v, rules) for v in known), now_us)
            for id, rule in kept.items():
                stays.setdefault(id, rule)
    counts: dict[str, int] = {}
    for rule in stays.values():
        counts[rule] = counts.get(rule, 0) + 1
    going = [v for id, v in candidates.items() if id not in stays and id not in untouchable]
    return sorted(going, key=lambda v: (v.generation, v.time_us, v.id)), counts


def _untouchable(refs: Mapping[str, bytes]) -> set[VersionId]:
    """What any ref points to or has pointed to as a stage, and what is signed."""
    found = set(versions_of_refs(refs))
    for name in refs:
        subject = name.removeprefix(SIGNATURES).partition("/")[0]
        if name.startswith(SIGNATURES) and len(subject) == 2 * len(VersionId.of(b"")):
            found.add(VersionId.parse(subject))
    return found


def _saved(version: Glance, rules: Rules) -> Saved:
    values = {}
    for best in rules.best:
        value = version.metric(best.metric)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and value == value:  # noqa: PLR0124 - NaN is nobody's best
            values[best.metric] = float(value)  # type: ignore[arg-type]
    return Saved(
        version.id, version.time_us, version.utc_offset_minutes, version.generation, values
    )


def _going(version: Glance) -> PrunedVersion:
    size = sum(version.component(component).size for component in Component)
    return PrunedVersion(
        version.id,
        version.generation,
        version.time_us,
        version.utc_offset_minutes,
        version.message,
        size,
    )


# -------------------------------------------------------------------- what that frees, and where else it is


def _freed(core: Core, going: frozenset[VersionId]) -> int:
    """Bytes of what only these need."""
    objects = Objects(core.store)
    walk = OwnerWalk(core.store, objects, 1)
    refs = core.store.refs()
    marked = marked_by(refs).keys() - set(versions_of_refs(refs))
    for one in Keepers(core).versions():
        version = one.version
        if version.id not in marked or version.id in going:
            for root in _roots(version):
                walk.claim(root, (Owner(int(version.id in going)),))
    (ranking,) = walk.rankings
    rows = zip(ranking.first, ranking.several, objects.stored, strict=True)
    return sum(size for owner, several, size in rows if owner == 1 and not several)


def _roots(version: Glance) -> list[NodeId]:
    return [root for part in Component if (root := version.root(part)) is not None]


def _unsafe(core: Core, copies: int, going: Sequence[Glance]) -> dict[VersionId, str]:
    """Versions of which fewer remotes than that have all content now, with how many have."""
    counts = dict.fromkeys((version.id for version in going), 0)
    why: list[str] = []
    for name, remote in remotes.remotes(core.config).items() if going else ():
        try:
            with connected(core, [remote]) as (peer,):
                for version in going:
                    counts[version.id] += _has_all(core, peer, version)
        except MvcError as error:
            why.append(f"{name}: {error}")
    beside = f" ({'; '.join(why)})" if why else ""
    return {
        id: f"{count} of {copies} remotes have it{beside}"
        for id, count in counts.items()
        if count < copies
    }


def _has_all(core: Core, peer: Peer, version: Glance) -> bool:
    """Whether a peer has all that a version consists of, as far as it is known here."""

    def read(ids: Sequence[Digest]) -> Iterable[tuple[Digest, bytes]]:
        return core.store.get_many(ids)

    for group in difference(_roots(version), (), read, read):
        for start in range(0, len(group), _ASKED_OBJECTS):
            if not all(peer.has(group[start : start + _ASKED_OBJECTS])):
                return False
    return True


# -------------------------------------------------------------------- undo


def unmarked(core: Core, updates: Sequence[RefUpdate]) -> list[VersionId]:
    """Versions that would be pruned no more after these moves."""
    before = core.store.refs(PRUNED)
    after = before | {u.name: u.target for u in updates if u.name.startswith(PRUNED) and u.target}
    for update in updates:
        if update.target is None:
            after.pop(update.name, None)
    return sorted(marked_by(before).keys() - marked_by(after).keys())


def keep_again(core: Core, session: Session, ids: Sequence[VersionId]) -> None:
    """Puts all content of these versions under a session's lease, fetched where it is gone and a remote has it.

    Raises Failure(kind="content-gone") if not all is here then.
    """
    for id in ids:
        roots = roots_of(core, id)
        session.missing(roots)
        if is_here(core, id):
            continue
        try:
            if core.promised is None:
                raise MissingObject("no remote is known that has it")
            core.promised.bring(roots)
            session.missing(roots)
        except MvcError as error:
            raise Failure(
                f"v{core.version(id).generation} {id.short()} cannot be kept again",
                kind="content-gone",
                cause=f"its content was collected, and does not come back: {error}",
                help=core.way_to_absent(),
            ) from error
