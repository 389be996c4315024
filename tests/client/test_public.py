"""Public values are made of the engine's by one function, and every field of every one has its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mvc.api
from mvc.api import (
    audit,
    backup,
    card,
    care,
    deploy,
    diff,
    diskuse,
    imported,
    lineage,
    picks,
    pruning,
    remotes,
    results,
    runs,
    search,
    stages,
    team,
    workspaces,
)
from mvc.api import public as module
from mvc.api.public import made_from, maker, moment, public
from mvcd.daemon.serve import backup as served
from mvcd.ids import NodeId, VersionId
from mvcd.objects.version import Component, ComponentRoot, Provenance, Trigger, Version
from mvcd.repo.care import diskuse as usage
from mvcd.repo.care import prune
from mvcd.repo.history import bisect, blame, comparison, series
from mvcd.repo.history import lineage as kinship
from mvcd.repo.history import runs as ran
from mvcd.repo.joining import merge, stash, takeover
from mvcd.repo.records import results as engine
from mvcd.repo.records import stages as staged
from mvcd.repo.release import card as facts
from mvcd.repo.release import export, verify_deploy
from mvcd.repo.share import bringing, cloning, fetching, follow, presigning, pushing, verify_remote
from mvcd.store import repair
from mvcd.team import auditlog, records

SOURCE = Path(mvc.api.__file__ or "").parent
PAIRS: list[tuple[type, type, tuple[str, ...]]] = [
    (results.Version, engine.HistoryEntry, ()),
    (results.Head, engine.Head, ()),
    (results.Status, engine.Status, ()),
    (results.CommitResult, engine.CommitResult, ()),
    (results.CheckoutResult, engine.CheckoutResult, ()),
    (results.Branch, engine.Branch, ()),
    (results.Tag, engine.Tag, ()),
    (results.Operation, engine.Operation, ()),
    (results.VerifyReport, engine.VerifyReport, ()),
    (workspaces.Workspace, engine.WorkspaceInfo, ()),
    (diff.Diff, engine.Diff, ("_sides", "_core")),
    (remotes.Fetch, fetching.FetchResult, ()),
    (remotes.Pull, fetching.PullResult, ()),
    (remotes.Push, pushing.PushResult, ()),
    (remotes.Clone, cloning.CloneResult, ()),
    (imported.ImportedNames, bringing.BroughtNames, ()),
    (remotes.Merge, merge.MergeResult, ()),
    (remotes.Followed, follow.Followed, ()),
    (remotes.Presigned, presigning.Presigned, ()),
    (remotes.RemoteReport, verify_remote.RemoteReport, ()),
    (picks.Picked, takeover.TakenOver, ()),
    (picks.Stash, stash.Stashed, ()),
    (picks.StashResult, stash.StashResult, ()),
    (diskuse.DiskUse, usage.DiskUse, ()),
    (pruning.PruneResult, prune.PruneResult, ()),
    (lineage.Lineage, kinship.Lineage, ()),
    (runs.ReproducedFile, ran.FileOutcome, ()),
    (runs.ReproducedMetric, ran.MetricOutcome, ()),
    (search.Comparison, comparison.Comparison, ()),
    (search.Blame, blame.Blame, ()),
    (search.Bisection, bisect.Bisection, ()),
    (search.Turning, bisect.Turning, ()),
    (search.Extent, series.Extent, ()),
    (search.Series, series.Series, ()),
    (stages.StageRecord, staged.StageRecord, ()),
    (deploy.Export, export.ExportResult, ()),
    (deploy.DeployReport, verify_deploy.DeployReport, ()),
    (card.Card, facts.CardFacts, ("project", "signatures")),
    (care.RepairFinding, repair.Finding, ()),
    (care.RepairReport, repair.Repaired, ("lost_versions",)),
    (backup.StoreBackup, served.StoreCopy, ()),
    (audit.AuditEntry, auditlog.AuditEntry, ()),
    (audit.AuditState, auditlog.ChainState, ()),
    (audit.AuditState, auditlog.ChainState, ("problems",)),
    (team.Account, records.User, ("certificates",)),
    (team.AccountToken, records.Token, ("last_used",)),
    (team.AccountGrant, records.Grant, ()),
    (team.RefRule, records.ProtectionRule, ()),
    (team.StorageQuota, records.Quota, ()),
    (team.HostedRepository, records.HostedRepository, ()),
]
"""(the API's class, the engine's, fields that are given). What they hold is tried with them."""


@pytest.mark.parametrize(
    "kind, of, given", PAIRS, ids=[f"{kind.__name__} {' '.join(given)}" for kind, _, given in PAIRS]
)
def test_every_field_has_its_source(kind: type, of: type, given: tuple[str, ...]) -> None:
    maker(kind, of, frozenset(given))


def test_the_pairs_are_all_there_are() -> None:
    asked = {
        (call.args[0].id, tuple(word.arg for word in call.keywords))
        for path in SOURCE.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id == "public" and isinstance(call.args[0], ast.Name)
    }
    assert asked == {(kind.__name__, given) for kind, _, given in PAIRS}


def test_no_class_explains_what_nobody_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    plain = module.maker

    def noted(kind: type, of: type, given: frozenset[str] = frozenset()) -> module.Maker:
        made.add(kind)
        return plain(kind, of, given)

    monkeypatch.setattr(module, "maker", noted)
    for kind, of, words in PAIRS:
        noted(kind, of, frozenset(words))
    ours = {kind for kind in module._ORIGINS if kind.__module__.startswith("mvc.")}
    assert ours - made == set()


# ---------------------------------------------------------------------- the function


class Colour(StrEnum):
    DARK_RED = "dark-red"


class Step(IntEnum):
    TAKE_BACK = 3


@dataclass(frozen=True)
class Inner:
    id: VersionId | None
    size: int


@dataclass(frozen=True)
class Found:
    id: VersionId
    parents: tuple[VersionId, ...]
    colour: Colour
    step: Step
    inner: Inner
    maybe: Inner | None
    rows: list[Inner]
    by_name: Mapping[str, tuple[Inner, VersionId]]
    time_us: int
    utc_offset_minutes: int
    end_us: int

    @property
    def files(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PublicInner:
    id: str | None
    size: int


@made_from("inner", twice=lambda found: 2 * found.files)
@dataclass(frozen=True)
class PublicFound:
    id: str
    parents: tuple[str, ...]
    colour: str
    step: str
    inner: PublicInner
    maybe: PublicInner | None
    rows: tuple[PublicInner, ...]
    by_name: Mapping[str, tuple[PublicInner, str]]
    time: datetime
    end: datetime
    files: int
    size: int  # of `inner`
    twice: int


ONE, TWO = VersionId.of(b"1"), VersionId.of(b"2")


def test_what_is_asked_is_made() -> None:
    inner = Inner(TWO, 7)
    found = Found(
        ONE, (ONE, TWO), Colour.DARK_RED, Step.TAKE_BACK, inner, None, [inner, Inner(None, 0)],
        {"a": (inner, ONE)}, 1_000_000, 90, 2_000_000,
    )  # fmt: skip
    shown = PublicInner(TWO.hex(), 7)
    zone = timezone(timedelta(minutes=90))
    made = public(PublicFound, found)
    assert made == PublicFound(
        ONE.hex(), (ONE.hex(), TWO.hex()), "dark-red", "take_back", shown, None,
        (shown, PublicInner(None, 0)), {"a": (shown, ONE.hex())},
        datetime(1970, 1, 1, 1, 30, 1, tzinfo=zone), datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC), 2, 7, 4,
    )  # fmt: skip
    assert made.time.utcoffset() == timedelta(minutes=90)
    assert type(made.id) is type(made.inner.id) is str


def test_a_mapping_is_a_copy() -> None:
    mine: Mapping[str, object] = {"lr": 0.1}

    @dataclass
    class Holder:
        values: Mapping[str, object]

    made = public(Holder, Holder(mine))
    assert made.values == mine
    assert made.values is not mine


@dataclass(frozen=True)
class Lost:
    id: str
    nowhere: int


@dataclass(frozen=True)
class Raw:
    id: VersionId


@dataclass(frozen=True)
class Number:
    id: int


@dataclass(frozen=True)
class Never:
    id: str


@dataclass(frozen=True)
class Anything:
    id: object


@made_from(ide="id")
@dataclass(frozen=True)
class Mistyped:
    id: str


@pytest.mark.parametrize(
    "kind, value, words",
    [
        (Lost, Raw(ONE), "Lost.nowhere: Raw has no nowhere"),
        (Number, Raw(ONE), "Number.id: .*VersionId.* is no .*int"),
        (Never, Inner(None, 1), "Never.id: .*VersionId . None is no .*str"),
        (Anything, Raw(ONE), "Anything.id: .*VersionId.* is no .*object"),
        (Mistyped, Raw(ONE), "Mistyped has no field ide"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_has_no_source_is_an_error_at_the_first_value(
    kind: type, value: object, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        public(kind, value)


def test_what_is_given_has_to_be_a_field() -> None:
    with pytest.raises(TypeError, match="PublicInner has no field weight"):
        public(PublicInner, Inner(ONE, 1), weight=3)


# ---------------------------------------------------------------------- a version, field by field

IDS = st.binary(min_size=32, max_size=32)
ROOTS = st.builds(
    ComponentRoot, st.none() | IDS.map(NodeId), st.integers(0, 9), st.integers(0, 1 << 40)
)
VALUES = st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=4))
VERSIONS = st.builds(
    Version,
    parents=st.lists(IDS.map(VersionId), max_size=2).map(tuple),
    generation=st.integers(0, 1 << 32),
    components=st.dictionaries(st.sampled_from(Component), ROOTS),
    author=st.text(max_size=8),
    time_us=st.integers(-(10**15), 10**16),
    utc_offset_minutes=st.integers(-840, 840),
    message=st.text(max_size=8),
    trigger=st.sampled_from(Trigger),
    hyperparameters=VALUES,
    metrics=VALUES,
    provenance=st.builds(Provenance, host=st.text(max_size=4)),
    tracked=st.lists(st.text(max_size=4)).map(tuple),
)


ENTRIES = st.builds(
    lambda id, version: engine.HistoryEntry(id, version, ("main",)), IDS.map(VersionId), VERSIONS
)


@given(ENTRIES)
def test_a_version_says_what_the_record_says(entry: engine.HistoryEntry) -> None:
    record, made = entry.version, public(results.Version, entry)
    assert (made.id, made.number) == (str(entry.id), record.generation)
    assert made.parents == tuple(map(str, record.parents))
    assert made.time - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=record.time_us)
    assert made.time.utcoffset() == timedelta(minutes=record.utc_offset_minutes)
    assert made.trigger == record.trigger.name.lower()
    for part, root in record.components.items():
        digest = None if root.root is None else str(root.root)
        assert made.components[part] == results.ComponentRoot(digest, root.files, root.size)
    assert list(made.components) == list(Component), "in the order in which they are shown"
    same = "author message hyperparameters metrics provenance tracked".split()
    assert [getattr(made, name) for name in same] == [getattr(record, name) for name in same]
    assert made.refs == entry.refs


def test_a_moment_keeps_the_zone_that_was_recorded() -> None:
    assert moment(0).isoformat() == "1970-01-01T00:00:00+00:00"
    assert moment(1, -210).isoformat() == "1969-12-31T20:30:00.000001-03:30"


# ---------------------------------------------------------------------- ids and times, once more


def test_no_pair_lets_an_id_through() -> None:
    """Said once more of the classes themselves: no field of one is of bytes."""

    def names(kind: type) -> Iterator[str]:
        yield from (f"{kind.__name__}.{one.name}: {one.type}" for one in fields(kind))

    shown = [name for kind, _, _ in PAIRS if is_dataclass(kind) for name in names(kind)]
    assert [name for name in shown if "bytes" in name.partition(": ")[2] or "Id" in name] == []
