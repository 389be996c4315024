"""Collections that look only at what came since the last one: they take what a whole one would take, and notice
when they must not rely on the last one."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

import pytest

from mvcd.errors import Conflict, Failure
from mvcd.ids import Digest, Kind
from mvcd.monitor import Silent
from mvcd.objects.version import Trigger
from mvcd.repo.care import gc
from mvcd.store.api import RefUpdate
from mvcd.store.collected import KEY, read_collected
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.repack import Repacker
from tests.support.pruning import prune
from tests.support.spoiling import spoil_store
from tests.support.workspace import Bench

DAY_US = 24 * 3600 * 1_000_000
HOUR_US = DAY_US // 24


def noise(seed: int, size: int = 40_000) -> bytes:
    return random.Random(seed).randbytes(size)


def store_of(bench: Bench) -> LmdbStore:
    store = bench.repo._core.store
    assert isinstance(store, LmdbStore)
    return store


def collect(bench: Bench, keep_us: int = DAY_US) -> int:
    """How many objects went. What was live is there afterwards, and a whole collection finds no more."""
    store = store_of(bench)
    context = bench.context()
    first = gc.first_kept(store, context.time_us - keep_us)
    kept = [data for _, data in store.operations(newest_first=False, start=first)]
    forgotten = gc.Forgotten(context.time_us, context.time_us - keep_us)
    needed = set(gc.live(store.refs(), kept, (), store.get_many, forgotten=forgotten))
    here = {id for id, present in zip(needed, store.has([*needed]), strict=True) if present}
    gone = bench.repo.gc(context=context, keep_operations_us=keep_us).objects
    assert all(store.has([*here]))
    mark = partial(gc.live, forgotten=forgotten)
    left = store.collect(mark, dry_run=True)
    assert left.objects == 0, "a whole collection would take more"
    assert bench.repo.verify().ok
    return gone


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an entry whenever all is marked."""
    marked: list[int] = []
    real = gc.live

    def live(*words: object, **options: object) -> object:
        marked.append(1)
        return real(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(gc, "live", live)
    return marked


def run(bench: Bench, keep_us: int = DAY_US) -> int:
    return bench.repo.gc(context=bench.context(), keep_operations_us=keep_us).objects


def test_only_what_came_since_is_marked(
    bench: Bench, whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        bench.save({"model.pt": noise(n), "data/rows.csv": f"{n}\n" * 50})
    run(bench)
    opened: list[Kind] = []
    real = gc._below
    monkeypatch.setattr(
        gc, "_below", lambda id, *rest: (opened.append(id.kind), real(id, *rest))[1]
    )
    bench.save({"model.pt": noise(99)})
    del whole[:]
    assert run(bench) == 0
    assert whole == []
    assert opened.count(Kind.VERSION) == 1
    assert len(opened) < 12


def test_garbage_among_what_came_since_goes(bench: Bench, whole: list[int]) -> None:
    bench.save({"a.pt": noise(1)})
    run(bench)
    store = store_of(bench)
    with store.session() as session:
        for id, encoded, _ in objects(3):
            session.put(id, encoded)
        session.commit()
    del whole[:]
    assert run(bench) == 3
    assert whole == []
    assert collect(bench) == 0


def objects(count: int) -> list[tuple[Digest, object, bytes]]:
    from tests.store.objects import some

    return some(seed=3, count=count)  # type: ignore[return-value]


def test_an_amended_version_goes_with_its_operation(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    bench.save({"a.pt": noise(2)})
    bench.repo.undo(context=bench.context())
    assert collect(bench) == 0, "the log still names it"
    bench.save({"b.pt": noise(3)})
    assert collect(bench, keep_us=0) > 0


def test_a_deleted_branch_goes_with_its_operation(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    bench.repo.switch("try", create=True, context=bench.context())
    bench.save({"a.pt": noise(2)})
    bench.repo.switch("main", context=bench.context())
    assert collect(bench) == 0
    bench.repo.delete_branch("try", force=True, context=bench.context())
    bench.save({"c": "1"})
    assert collect(bench) == 0
    bench.save({"c": "2"})
    assert collect(bench, keep_us=0) > 0


def test_what_was_absent_and_came_stays_with_all_below_it(bench: Bench) -> None:
    for n in range(3):
        bench.save({"model.pt": noise(n, 900_000), "data/rows.csv": f"{n}\n" * 50})
    store = store_of(bench)
    before = {id: store.get_encoded(id) for id, _ in store.ids()}
    assert prune(bench.repo, "v1")
    run(bench)
    gone = [id for id, present in zip(before, store.has([*before]), strict=True) if not present]
    assert {id.kind for id in gone} >= {Kind.NODE, Kind.RECIPE, Kind.CHUNK}
    with store.session() as session:  # as fetching does it
        for id in sorted(gone, key=lambda id: before[id].base is not None):
            session.put(id, before[id])
        session.commit()
    assert collect(bench) == 0
    assert bench.repo.read("model.pt", "v1") == noise(0, 900_000)


def test_what_was_damaged_and_is_stored_anew_stays(bench: Bench, whole: list[int]) -> None:
    bench.save({"model.pt": noise(1)})
    run(bench)
    store = store_of(bench)
    good = {id: store.get_encoded(id) for id, info in store.ids() if info.kind is Kind.CHUNK}
    kept = {id: (encoded, bytes(encoded.body)) for id, encoded in good.items()}
    spoil_store(store, {Kind.CHUNK})
    assert not bench.repo.verify().ok
    with store.session() as session:
        assert all(session.missing([*kept]))
        for id, (encoded, body) in kept.items():
            session.put(id, encoded._replace(body=body))
        session.commit()
    del whole[:]
    assert run(bench) == 0
    assert whole, "rows have moved"
    assert bench.repo.read("model.pt") == noise(1)


def test_a_collection_by_a_program_that_knows_nothing_of_this_is_noticed(
    bench: Bench, whole: list[int]
) -> None:
    bench.save({"model.pt": noise(1)})
    bench.save({"model.pt": noise(2)})
    run(bench)
    store = store_of(bench)
    row = store.cache_get([KEY])[0]
    Repacker(store, Silent()).run({0: 1})  # copies the pack, and leaves the row as it was
    assert store.cache_get([KEY])[0] == row
    bench.save({"model.pt": noise(3)})
    del whole[:]
    assert collect(bench) == 0
    assert whole


def test_a_damaged_row_counts_for_nothing(bench: Bench) -> None:
    bench.save({"model.pt": noise(1)})
    run(bench)
    store = store_of(bench)
    for row in (b"", b"\x02" * 60, b"\x01" + b"\xff" * 60):
        store.cache_put({KEY: row})
        with store.index.read() as txn:
            assert read_collected(store.index, txn) is None
        assert collect(bench) == 0


def change(bench: Bench, kind: str, source: random.Random, step: int) -> None:
    """One of the ways in which versions come and go."""
    match kind:
        case "save":
            name = source.choice(["a.pt", "b.pt", "d/c.csv"])
            bench.save({name: noise(source.randrange(8), 9000), "step": f"{step}"})
        case "undo":
            bench.repo.undo(context=bench.context())
        case "branch":
            bench.repo.switch(f"b{step}", create=True, context=bench.context())
        case "away":
            bench.repo.switch("main", context=bench.context())
            for branch in bench.repo.branches():
                if branch.name != "main" and source.random() < 0.7:
                    bench.repo.delete_branch(branch.name, force=True, context=bench.context())
        case "amend":
            bench.save({"a.pt": noise(100 + step, 9000)})
            bench.repo.undo(context=bench.context())
            bench.save({"a.pt": noise(200 + step, 9000)})


@pytest.mark.parametrize("seed", [*range(12), 99])
def test_random_histories(bench: Bench, whole: list[int], seed: int) -> None:
    """Versions come and go in all ways; each collection is held against a whole one."""
    source = random.Random(seed)
    bench.save({"step": "first"})
    gone = 0
    for step in range(40):
        kind = source.choice(["save", "save", "save", "undo", "branch", "away", "amend"])
        with suppress(Failure, Conflict):  # nothing to undo, unsaved work in the way
            change(bench, kind, source, step)
        if source.random() < 0.3:
            gone += collect(bench, source.choice([0, HOUR_US // 6, DAY_US]))
    gone += collect(bench, 0)
    assert gone


def test_what_is_pruned_goes_once_its_grace_is_over_and_comes_back_whole(
    bench: Bench, whole: list[int]
) -> None:
    """Content of a version is kept for itself, then not, then again; its record is there all the while."""
    bench.write({"mvc.toml": "[retention]\nkeep_last = 1\n"})
    for n in range(4):
        bench.write({"model.pt": noise(n)})
        bench.add()
        bench.commit("saved by itself", trigger=Trigger.AUTO)
    assert collect(bench) == 0
    store = store_of(bench)
    before = {id: store.get_encoded(id) for id, _ in store.ids()}
    bench.repo.prune(context=bench.context())
    assert collect(bench) == 0, "it can still be undone"
    del whole[:]
    assert collect(bench, keep_us=0) > 0
    assert whole
    gone = [id for id, present in zip(before, store.has([*before]), strict=True) if not present]
    with store.session() as session:
        for id in sorted(gone, key=lambda id: before[id].base is not None):
            session.put(id, before[id])
        value = bytes(bench.repo.resolve("v1"))
        session.commit([RefUpdate("tags/old", None, value)])
    assert collect(bench) == 0, "a ref points to it, so it is kept with all it had"
    assert bench.repo.read("model.pt", "v1") == noise(0)
