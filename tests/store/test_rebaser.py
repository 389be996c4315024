"""Chunks that get other forms: all of a plan or none, at every step, and never in a circle."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId
from mvcd.store import repack, steps
from mvcd.store.api import Forms, RefUpdate
from mvcd.store.frames import parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.older import readable
from mvcd.store.rebuild import rebuild_index
from tests.store.children import Child
from tests.store.objects import delta, mark_values, plain, revisions

OTHERS = [plain(b"a bystander, %d" % n * 900) for n in range(4)]
SERIES = [revisions(seed, count=4, size=20_000) for seed in range(6)]


def forward(series: list[bytes]) -> Forms:
    """Each rests on the one before, as they are saved."""
    first = ChunkId.of(series[0]), plain(series[0])[1]
    pairs = zip(series[1:], series, strict=False)
    return [first, *((ChunkId.of(data), delta(data, base)[1]) for data, base in pairs)]


def turned(series: list[bytes]) -> Forms:
    """The last one whole."""
    return forward(series[::-1])


def fill(store: LmdbStore | MemoryStore) -> None:
    with store.session() as session:
        for number in range(len(SERIES[0])):  # as a run saves them, so that packs hold all series
            for series in SERIES:
                session.put(*forward(series)[number])
            session.put(*OTHERS[number])
            session.commit()
        ids = b"".join(ChunkId.of(data) for series in SERIES for data in series)
        others = b"".join(id for id, _ in OTHERS)
        session.commit([RefUpdate("all", None, ids), RefUpdate("others", None, others)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with LmdbStore.create(tmp_path / "s") as store:
        fill(store)
        yield store


def plans() -> Iterator[Forms]:
    return (turned(series) for series in SERIES)


def bases(store: LmdbStore) -> list[list[ChunkId | None]]:
    return [[store.info(ChunkId.of(data)).base for data in series] for series in SERIES]


FORWARD = [[None, *(ChunkId.of(data) for data in series[:-1])] for series in SERIES]
TURNED = [[*(ChunkId.of(data) for data in series[1:]), None] for series in SERIES]


def require_all(store: LmdbStore | MemoryStore) -> None:
    for series in SERIES:
        for data in series:
            assert store.get(ChunkId.of(data)) == data
    assert list(store.check()) == []


def test_the_last_ones_are_whole_and_nothing_is_lost_or_larger(store: LmdbStore) -> None:
    before = store.stats().pack_bytes
    told = store.rebase(plans(), dry_run=True)
    assert (told.chunks, bases(store)) == (24, FORWARD)
    report = store.rebase(plans())
    assert report.chunks == 24
    assert report.freed_bytes == before - store.stats().pack_bytes >= -64, "but for pack headers"
    assert bases(store) == TURNED
    require_all(store)
    assert store.collect(mark_values).objects == 0
    model = MemoryStore()
    fill(model)
    assert model.rebase(plans()) == told
    require_all(model)


def test_bases_of_what_is_kept_are_kept_though_nothing_else_needs_them(store: LmdbStore) -> None:
    """The newest version goes, before and after a collection that looks at all, and what came only."""
    store.rebase(plans())
    oldest = b"".join(ChunkId.of(series[0]) for series in SERIES)
    whole = store.ref("all")
    store.update_refs([RefUpdate("all", whole, oldest)])
    for _ in range(2):
        assert store.collect(mark_values).objects == 0, "each rests on all after it"
    for series in SERIES:
        assert store.get(ChunkId.of(series[0])) == series[0]
    store.rebase(forward(series) for series in SERIES)
    assert store.collect(mark_values).objects == 18, "once they stand alone these may go"
    assert list(store.check()) == []


def test_what_is_larger_or_wrong_is_left_alone(store: LmdbStore) -> None:
    series = SERIES[0]
    whole: Forms = [(ChunkId.of(data), plain(data)[1]) for data in series]
    lie: Forms = [(id, Encoded(Codec.FILL, 20_000, b"a")) for id, _ in whole]
    absent: Forms = [(ChunkId.of(b"absent"), plain(b"absent")[1])]
    before = store.stats().pack_bytes
    for forms in (whole, lie, absent):
        assert store.rebase([forms]).chunks == 0
    assert (bases(store), store.stats().pack_bytes) == (FORWARD, before)
    require_all(store)


def test_a_base_comes_first(store: LmdbStore) -> None:
    first, *others = turned(SERIES[0])
    for forms in ([*others, first], others):
        with pytest.raises(ValueError, match="rests on what does not come before it"):
            store.rebase([forms])
    assert bases(store) == FORWARD


def test_between_two_plans_it_may_be_stopped(store: LmdbStore) -> None:
    asked: list[int] = []
    report = store.rebase(plans(), stop=lambda: asked.append(1) or len(asked) == 2)  # type: ignore[func-returns-value]
    assert report.chunks == 8
    assert bases(store) == [*TURNED[:2], *FORWARD[2:]]
    require_all(store)


def test_one_that_was_stored_anew_meanwhile_keeps_all_of_its_plan_back(tmp_path: Path) -> None:
    """Another process moves a row between the writing and the pointing there."""
    moved: list[bytes] = []
    with LmdbStore.create(tmp_path / "s") as store:
        fill(store)

        def move(step: str) -> None:
            if step == steps.FORMS_WRITTEN and not moved:
                id = ChunkId.of(SERIES[0][1])
                with LmdbStore.open(tmp_path / "s") as other:
                    with other.index.read() as txn:
                        old = bytes(txn.get(id, db=other.index.objects))
                    moved.append(old[:12] + (1 << 20).to_bytes(4, "little") + old[16:])
                    other.index.write(lambda txn: txn.put(id, moved[0], db=other.index.objects))

        store.reached = move
        report = store.rebase(plans(), stop=lambda: False)
        assert report.chunks == 20
        assert bases(store)[1:] == TURNED[1:]
        assert bases(store)[0] == FORWARD[0]


@pytest.mark.parametrize(
    "step",
    [
        steps.FORMS_WRITTEN, steps.FORMS_REPOINTED, steps.LIVE_COPIED,
        steps.LIVE_REPOINTED, steps.PACKS_UNLINKED,
    ],
)  # fmt: skip
@pytest.mark.parametrize("lost", [False, True], ids=["index", "no-index"])
def test_a_death_leaves_each_plan_old_or_new(
    tmp_path: Path, step: str, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the index may be lost too: records of before and of now make no circle."""
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 40_000)  # many packs
    monkeypatch.setattr("mvcd.store.rebaser.SEAL_BYTES", 40_000)
    monkeypatch.setattr(repack, "SEAL_BYTES", 40_000)
    with LmdbStore.create(tmp_path / "s") as store:
        fill(store)
        size = store.stats().pack_bytes

    def die(report: Callable[[str], None]) -> None:
        def reached(at: str) -> None:
            if at == step:
                report(at)
                os.kill(os.getpid(), signal.SIGKILL)

        with LmdbStore.open(tmp_path / "s", reached=reached) as dying:
            dying.rebase(plans())

    assert Child(die).end() == (-signal.SIGKILL, [step])
    if lost:
        os.unlink(tmp_path / "s" / "data.mdb")
        rebuild_index(tmp_path / "s")
    with LmdbStore.open(tmp_path / "s") as store:
        require_all(store)
        if not lost:
            three = zip(bases(store), FORWARD, TURNED, strict=True)
            assert all(now in (old, new) for now, old, new in three)
        store.rebase(plans())
        assert bases(store) == TURNED
        store.collect(mark_values)
        require_all(store)
        assert store.stats().pack_bytes <= 1.1 * size


def test_a_push_under_way_sends_what_its_peer_can_read(store: LmdbStore) -> None:
    """The order in which it sends was made by the bases of before."""
    ids = [ChunkId.of(data) for data in SERIES[0]]
    expected = {id: store.info(id).base for id in ids}
    store.rebase(plans())
    frames = readable(store.records(ids), {"rans", "patch", "widened"}, store, expected)
    records = [record for frame in frames for record, _ in parse_frame(frame).records]
    assert {record.id for record in records} == set(ids)
    assert all(record.base in (None, expected[record.id]) for record in records)
    plain_frames = readable(store.records(ids), {"rans", "patch", "widened"}, store)
    assert any(r.base for frame in plain_frames for r, _ in parse_frame(frame).records)
