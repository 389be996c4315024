"""Packs written anew in smaller forms: nothing changes but bytes on the disk."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.codec.recode import Recoder
from mvcd.disk.locks import lock_directory, unlock
from mvcd.errors import Busy
from mvcd.ids import Digest
from mvcd.store import optimizer, repack, session, steps
from mvcd.store.api import RefUpdate, never
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child
from tests.store.objects import delta, mark_values, plain, revisions, some
from tests.support.spoiling import spoil_store

TEXTS = [plain(b"a line that comes again, %d\n" % n * 400) for n in range(12)]
"""Stored as they are, as a hasty writer would."""
NOISE = [
    (id, encoded)
    for id, encoded, _ in some(seed=1, count=30, size=3000)
    if encoded.codec is Codec.RAW
]


def fill(store: LmdbStore, objects: list[tuple[Digest, Encoded]], name: str) -> None:
    with store.session() as session:
        for id, encoded in objects:
            session.put(id, encoded)
        session.commit([RefUpdate(name, None, b"".join(id for id, _ in objects))])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the collector's lock."""
    monkeypatch.setattr(repack, "WAIT_SECONDS", 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with LmdbStore.create(tmp_path) as store:
        yield store


def require_all(store: LmdbStore, objects: list[tuple[Digest, Encoded]]) -> None:
    for id, encoded in objects:
        assert store.get(id) == encoded.body
    assert list(store.check()) == []


def test_what_gets_smaller_is_written_anew(store: LmdbStore) -> None:
    fill(store, TEXTS, "texts")
    before = store.stats().pack_bytes
    told = store.optimize(Recoder().recode, dry_run=True)
    assert (told.packs, told.rewritten) == (1, 1)
    assert store.stats().pack_bytes == before
    report = store.optimize(Recoder().recode)
    assert report.freed_bytes == before - store.stats().pack_bytes > 0.9 * before
    assert told.freed_bytes == pytest.approx(report.freed_bytes, rel=0.05)
    require_all(store, TEXTS)
    assert store.optimize(Recoder().recode).rewritten == 0


def test_what_gains_nothing_is_left_where_it_is(store: LmdbStore) -> None:
    fill(store, NOISE, "noise")
    places = dict(store.locations())
    assert store.optimize(Recoder().recode).rewritten == 0
    assert dict(store.locations()) == places


def test_differences_keep_their_bases(store: LmdbStore) -> None:
    versions = revisions(seed=10, count=3, size=40_000)
    deltas = [delta(versions[1], versions[0]), delta(versions[2], versions[1])]
    fill(store, [plain(versions[0]), *deltas, *TEXTS], "all")
    store.optimize(Recoder().recode)
    assert [store.get(id) for id, _ in deltas] == versions[1:]
    assert store.collect(mark_values).objects == 0
    assert list(store.check()) == []


def test_a_form_that_does_not_decode_to_the_same_is_not_believed(store: LmdbStore) -> None:
    fill(store, TEXTS, "texts")
    lie = Encoded(Codec.FILL, len(TEXTS[0][1].body), b"a")
    assert store.optimize(lambda *_: lie).rewritten == 0
    require_all(store, TEXTS)


def test_damage_stays_where_it_is_and_is_told(store: LmdbStore) -> None:
    fill(store, TEXTS, "texts")
    assert len(spoil_store(store, {TEXTS[0][0].kind}, most=1)) == 1
    damaged = {damage.id for damage in store.check()}
    store.optimize(Recoder().recode)
    assert {damage.id for damage in store.check()} == damaged
    assert sum(store.has([id])[0] for id, _ in TEXTS) == len(TEXTS) - 1


def fill_packs(store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text in a pack of its own."""
    with monkeypatch.context() as patch:
        patch.setattr(session, "SEAL_BYTES", 1000)
        for number, text in enumerate(TEXTS):
            fill(store, [text], f"text {number}")
    assert store.stats().packs == len(TEXTS)


def test_at_leisure_it_ends_when_told_and_goes_on(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_packs(store, monkeypatch)
    recode = Recoder().recode
    assert store.optimize(recode, edition=1, stop=lambda: True).rewritten == 0
    turns = []
    while not turns or turns[-1].left:
        asked: list[int] = []
        turns.append(
            store.optimize(recode, edition=1, stop=lambda: asked.append(1) or len(asked) > 2)  # type: ignore[func-returns-value] # noqa: B023
        )
        require_all(store, TEXTS)
    assert sum(turn.rewritten for turn in turns) == len(TEXTS)
    assert len(turns) > 3 and all(turn.rewritten for turn in turns)
    tried: list[int] = []

    def watched(*words: object) -> Encoded | None:
        tried.append(1)
        return recode(*words)  # type: ignore[arg-type]

    fill(store, NOISE, "noise")
    for edition, expected in ((1, True), (1, False), (2, True), (2, False)):
        tried.clear()
        store.optimize(watched, edition=edition, stop=never)
        assert bool(tried) is expected, "what came is looked into once, by each edition"
        assert len(tried) <= optimizer.SAMPLED_OBJECTS


def test_damaged_packs_are_tried_once(store: LmdbStore) -> None:
    fill(store, TEXTS, "texts")
    spoil_store(store, {TEXTS[0][0].kind}, most=1)
    for packs in (1, 0):
        report = store.optimize(Recoder().recode, edition=1, stop=never)
        assert (report.packs, report.rewritten, report.left) == (packs, 0, 0)


@pytest.mark.usefixtures("impatient")
def test_not_beside_a_collection(store: LmdbStore) -> None:
    lock = lock_directory(store.pack_directory)
    assert lock is not None
    with pytest.raises(Busy):
        store.optimize(Recoder().recode)
    unlock(lock)


def test_collections_afterwards_need_not_mark_all(store: LmdbStore) -> None:
    fill(store, TEXTS, "texts")
    whole: list[int] = []

    def mark(*words: object) -> object:
        whole.append(1)
        return mark_values(*words)  # type: ignore[arg-type]

    def mark_new(earlier: object, *words: object) -> object:
        return earlier.unsettled([*mark_values(*words)])  # type: ignore[attr-defined, arg-type]

    for _ in range(2):
        store.collect(mark, mark_new=mark_new)  # type: ignore[arg-type]
    assert len(whole) == 1
    assert store.optimize(Recoder().recode).rewritten == 1
    fill(store, NOISE, "noise")
    assert store.collect(mark, mark_new=mark_new).objects == 0  # type: ignore[arg-type]
    assert len(whole) == 1
    require_all(store, TEXTS)


@pytest.mark.parametrize("step", [steps.LIVE_COPIED, steps.LIVE_REPOINTED])
def test_a_death_leaves_each_pack_old_or_new(tmp_path: Path, step: str) -> None:
    with LmdbStore.create(tmp_path) as store:
        fill(store, TEXTS, "texts")
        before = store.stats().pack_bytes

    def die(report: Callable[[str], None]) -> None:
        def reached(at: str) -> None:
            if at == step:
                report(at)
                signal.raise_signal(signal.SIGKILL)

        with LmdbStore.open(tmp_path, reached=reached) as dying:
            dying.optimize(Recoder().recode)

    assert Child(die).end() == (-signal.SIGKILL, [step])
    with LmdbStore.open(tmp_path) as store:
        require_all(store, TEXTS)
        store.optimize(Recoder().recode)
        store.collect(mark_values)
        require_all(store, TEXTS)
        assert store.stats().pack_bytes < before / 10
