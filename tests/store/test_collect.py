"""Collection on packs: what the contract cannot see."""

from __future__ import annotations

import os

import pytest

from mvcd.ids import ChunkId
from mvcd.monitor import Silent
from mvcd.store import steps
from mvcd.store.api import RefUpdate
from mvcd.store.collect import OPTIMISTIC_ROUNDS
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import PACK_HEADER
from tests.store.objects import mark_values, plain

LIVE = [plain(b"live %d" % n * 100) for n in range(10)]
DEAD = [plain(b"dead %d" % n * 200) for n in range(10)]


def fill(store, objects, name: str | None = None) -> None:
    with store.session() as session:
        for id, encoded in objects:
            session.put(id, encoded)
        value = b"".join(id for id, _ in objects)
        session.commit([RefUpdate(name, None, value)] if name else [])


@pytest.fixture
def store(tmp_path):
    with LmdbStore.create(tmp_path) as store:
        yield store


def packs(store) -> list[str]:
    return sorted(os.listdir(store.pack_directory))


def test_mostly_dead_packs_are_rewritten_and_readers_follow(store):
    fill(store, LIVE, "keep")
    fill(store, DEAD)
    before = store.stats().pack_bytes
    assert store.get(LIVE[0][0])  # its file is open now
    report = store.collect(mark_values)
    assert report.objects == 10
    assert report.freed_bytes == before - store.stats().pack_bytes > 0
    assert packs(store) == ["00000001.pack"]
    for id, encoded in LIVE:
        assert store.get(id) == encoded.body
    assert list(store.check()) == []


def test_mostly_live_packs_stay(store):
    fill(store, LIVE, "keep")
    fill(store, [plain(b"d" * 300)])
    assert store.collect(mark_values).freed_bytes == 0
    assert packs(store) == ["00000000.pack"]


def test_what_is_left_of_many_packs_is_little(store, monkeypatch):
    """A fifth of each is dead: no pack passes 30 %, all of them together pass 8 %."""
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 5_000)
    monkeypatch.setattr("mvcd.store.repack.SEAL_BYTES", 5_000)
    kept = []
    for n in range(20):
        live = [plain(b"live %d %d" % (n, i) * 90) for i in range(4)]
        fill(store, [plain(b"dead %d" % n * 110), *live])
        kept += live
    store.update_refs([RefUpdate("keep", None, b"".join(id for id, _ in kept))])
    live_bytes = sum(store.location(id).size for id, _ in kept)
    assert store.stats().pack_bytes > 1.2 * live_bytes
    assert store.collect(mark_values).objects == 20
    assert store.stats().pack_bytes < 1.1 * live_bytes
    assert len(packs(store)) > 5, "and not all was written anew"
    assert list(store.check()) == []


def test_one_that_is_told_to_stop_ends_with_the_pack_at_hand(store, monkeypatch):
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 3_000)
    kept = []
    for n in range(6):
        live = [plain(b"live %d %d" % (n, i) * 90) for i in range(2)]
        fill(store, [plain(b"dead %d" % n * 300), *live])
        kept += live
    store.update_refs([RefUpdate("keep", None, b"".join(id for id, _ in kept))])

    def mark_new(earlier, *words):
        return earlier.unsettled([*mark_values(*words)])

    kept_bytes = sum(store.location(id).size for id, _ in kept)
    bound = store.garbage_bound()
    assert (bound.dead_bytes, bound.kept_bytes) == (0, 0)
    assert bound.came_bytes == store.stats().pack_bytes - 6 * PACK_HEADER.size
    before = store.stats().pack_bytes
    first = store.collect(mark_values, mark_new=mark_new, stop=lambda: True)
    assert first.stopped and first.objects == 6
    assert 0 < first.freed_bytes == before - store.stats().pack_bytes
    bound = store.garbage_bound()
    assert (bound.came_bytes, bound.kept_bytes) == (0, kept_bytes)
    held = store.stats().pack_bytes - store.stats().packs * PACK_HEADER.size
    assert bound.dead_bytes == held - kept_bytes > kept_bytes / 2
    second = store.collect(mark_values, mark_new=mark_new)
    assert not second.stopped and second.objects == 0
    assert second.freed_bytes > first.freed_bytes
    assert store.garbage_bound().dead_bytes == 0
    assert list(store.check()) == []


def test_wholly_dead_packs_are_unlinked(store):
    fill(store, DEAD)
    assert store.collect(mark_values).objects == 10
    assert packs(store) == []
    fill(store, LIVE, "keep")
    assert packs(store) == ["00000001.pack"], "numbers are never used twice"


def test_a_pack_in_use_is_left_for_the_next_time(store):
    fill(store, DEAD)
    with store.session() as session:
        session.put(*LIVE[0])
        assert store.collect(mark_values).objects == 10
        assert packs(store) == ["00000000.pack"]
        session.commit([RefUpdate("keep", None, bytes(LIVE[0][0]))])
    assert store.collect(mark_values).freed_bytes > 0
    assert store.get(LIVE[0][0])
    assert list(store.check()) == []


def test_damaged_packs_are_kept_and_told(store):
    fill(store, LIVE, "keep")
    fill(store, DEAD)
    location = store.location(LIVE[0][0])
    path = os.path.join(store.pack_directory, packs(store)[0])
    with open(path, "r+b") as file:
        file.seek(location.offset + location.size - 1)
        file.write(b"\xff")
    monitor = Silent()
    assert store.collect(mark_values, monitor=monitor).objects == 10
    assert "00000000.pack" in packs(store)
    assert len(monitor.warnings) == 1
    assert {damage.id for damage in store.check()} == {LIVE[0][0]}
    for id, encoded in LIVE[1:]:
        assert store.get(id) == encoded.body


def test_stray_files_are_removed_and_unborn_ones_are_not(store):
    fill(store, LIVE, "keep")
    fill(store, DEAD)
    store.collect(mark_values)
    stray = os.path.join(store.pack_directory, "00000000.pack")
    unborn = os.path.join(store.pack_directory, "00000009.pack")
    for path in (stray, unborn):
        with open(path, "wb") as file:
            file.write(b"left by a crash")
    store.collect(mark_values)
    assert packs(store) == ["00000001.pack", "00000009.pack"]
    fill(store, DEAD, "more")
    assert list(store.check()) == []


def test_an_unborn_file_is_taken_over(store):
    with open(os.path.join(store.pack_directory, "00000000.pack"), "wb") as file:
        file.write(b"left by a crash" * 1000)
    fill(store, LIVE, "keep")
    assert packs(store) == ["00000000.pack"]
    assert list(store.check()) == []


def test_commits_between_marking_and_sweeping_are_seen(tmp_path):
    """Each optimistic round is disturbed, so the last one holds the write lock; nothing is lost."""
    rounds = 0
    inside: list[bool] = []

    def reached(step):
        nonlocal rounds
        if step != steps.MARKED:
            return
        inside.append(store.index.writing)
        if not store.index.writing:
            saved = LIVE[rounds]
            with other.session() as session:
                session.put(*saved)
                session.commit([RefUpdate(f"r{rounds}", None, bytes(saved[0]))])
            rounds += 1

    with (
        LmdbStore.create(tmp_path, reached=reached) as store,
        LmdbStore.open(tmp_path) as other,
    ):
        fill(store, [*DEAD, *LIVE[:2]])
        report = store.collect(mark_values)
        assert rounds == OPTIMISTIC_ROUNDS
        assert inside == [False] * OPTIMISTIC_ROUNDS + [True]
        assert report.objects == 10
        for n in range(rounds):
            assert store.get(ChunkId(store.ref(f"r{n}"))) == LIVE[n][1].body
        assert list(store.check()) == []


def test_a_lease_taken_between_marking_and_sweeping_is_seen(tmp_path):
    sessions = []

    def reached(step):
        if step == steps.MARKED and not sessions:
            sessions.append(other.session())
            assert sessions[0].missing([DEAD[0][0]]) == [False]

    with (
        LmdbStore.create(tmp_path, reached=reached) as store,
        LmdbStore.open(tmp_path) as other,
    ):
        fill(store, DEAD)
        assert store.collect(mark_values).objects == 9
        sessions[0].commit([RefUpdate("a", None, bytes(DEAD[0][0]))])
        sessions[0].close()
        assert store.get(DEAD[0][0]) == DEAD[0][1].body


def test_many_packs_become_few(store, monkeypatch):
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 2_000)
    for n in range(10):
        fill(store, [LIVE[n], DEAD[n]])
    store.update_refs([RefUpdate("keep", None, b"".join(id for id, _ in LIVE))])
    assert len(packs(store)) >= 5
    store.collect(mark_values)
    assert len(packs(store)) == 1
    for id, encoded in LIVE:
        assert store.get(id) == encoded.body
