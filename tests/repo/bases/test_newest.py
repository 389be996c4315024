"""The newest version whole, older ones as differences to newer ones, whatever the history looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.objects.recipe import parts
from mvcd.repo.bases import newest
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from mvcd.repo.contents.files import VersionFiles, recipe_of
from mvcd.store.lmdb_store import LmdbStore
from tests.support.workspace import Bench

PATH = "model.safetensors"
SIZE = 40_000


def trained(seed: int, steps: int) -> bytes:
    """F16 weights: each step moves them a little, and less than the one before."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(SIZE).astype("f4") / 50
    for step in range(steps):
        weights += rng.standard_normal(SIZE).astype("f4") / 50_000 / (1 + step)
    return save({"w": weights.astype("f2")})


def levels(bench: Bench, rev: str) -> list[int]:
    """How deep each chunk of the model lies."""
    core, store = bench.repo._core, bench.repo.store
    placed = VersionFiles(core.version(core.resolve(rev)), core.fetch).find(PATH)
    assert placed is not None
    found = [part.chunk for part in parts(recipe_of(placed.entry, core.fetch), core.fetch)]
    return [
        len(chain_of(lambda id: store.info(id).base, chunk)) - 1
        for chunk in found
        if chunk is not None
    ]


def require_sound(bench: Bench, model: dict[str, bytes]) -> None:
    for rev, data in model.items():
        assert bench.repo.read(PATH, rev) == data
        assert max(levels(bench, rev)) <= MOST_LEVELS
    assert bench.repo.verify().ok


def run(bench: Bench, count: int) -> dict[str, bytes]:
    model = {}
    for number in range(1, count + 1):
        model[f"v{number}"] = trained(1, number)
        bench.save({PATH: model[f"v{number}"]})
    return model


def test_the_newest_of_a_run_is_read_fastest(bench: Bench) -> None:
    model = run(bench, 7)
    assert max(levels(bench, "v4")) == MOST_LEVELS
    before = bench.repo.store.stats().pack_bytes
    told = bench.repo.optimize(dry_run=True)
    assert bench.repo.store.stats().pack_bytes == before
    done = bench.repo.optimize()
    assert told.rebased == done.rebased > 0
    assert max(levels(bench, "v7")) == 0 < max(levels(bench, "v6"))
    assert bench.repo.store.stats().pack_bytes <= before
    require_sound(bench, model)
    again = bench.repo.optimize()
    assert (again.rebased, again.freed_bytes) == (0, 0)
    model["v8"] = trained(1, 8)
    bench.save({PATH: model["v8"]})
    assert max(levels(bench, "v8")) == 1, "it rests on what is whole now"
    assert bench.repo.optimize().rebased == 0, "which is near enough"
    for number in (9, 10):
        model[f"v{number}"] = trained(1, number)
        bench.save({PATH: model[f"v{number}"]})
    before = stored(bench)
    bench.repo.optimize()
    assert stored(bench) <= before
    require_sound(bench, model)


def test_the_newest_goes_and_older_ones_stay(bench: Bench) -> None:
    model = run(bench, 3)
    bench.repo.switch("aside", create=True, context=bench.context())
    bench.save({PATH: trained(1, 4)})
    bench.repo.optimize()
    bench.repo.switch("main", context=bench.context())
    bench.repo.delete_branch("aside", force=True, context=bench.context())
    bench.repo.create_branch("last", context=bench.context())
    for _ in range(2):  # all is looked at, then what came
        bench.repo.gc(context=bench.context(), keep_operations_us=0)
        require_sound(bench, model)
    bench.repo.optimize()
    assert max(levels(bench, "v3")) == 0
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    require_sound(bench, model)


def test_damage_is_left_where_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run(bench, 4)
    monkeypatch.setattr(newest, "MOST_FAMILY_CHUNKS", 3)
    assert bench.repo.optimize().rebased == 0, "too many to turn round"
    monkeypatch.undo()
    store: LmdbStore = bench.repo.store
    (bad, _), *_ = [(id, info) for id, info in store.ids() if info.base is not None]
    at = store.location(bad)
    with open(Path(store.pack_directory, f"{at.pack:08x}.pack"), "r+b") as file:
        file.seek(at.offset + at.size - 9)
        file.write(b"\0\1\2\3\4\5\6\7\0")
    damaged = {damage.id for damage in store.check()}
    assert bench.repo.optimize().rebased == 0
    assert {damage.id for damage in store.check()} == damaged


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    verbs=st.lists(
        st.sampled_from(["train", "train", "train", "branch", "main", "optimize", "drop", "gc"]),
        min_size=4,
        max_size=16,
    )
)
def test_any_history_reads_the_same_and_gets_no_larger(
    tmp_path_factory: pytest.TempPathFactory, verbs: list[str]
) -> None:
    model: dict[str, bytes] = {}
    with Bench(tmp_path_factory.mktemp("any") / "w") as bench:
        step = branches = 0
        for verb in ["train", *verbs, "optimize"]:
            head = bench.repo.head
            match verb:
                case "train":
                    step += 1
                    data = trained(branches, step)
                    done = bench.save({PATH: data})
                    model[done.version.hex()] = data
                case "branch":
                    branches += 1
                    bench.repo.switch(f"b{branches}", create=True, context=bench.context())
                case "main" if head.branch != "main":
                    bench.repo.switch("main", context=bench.context())
                case "drop" if branches and head.branch == "main":
                    names = [b.name for b in bench.repo.branches() if b.name != "main"]
                    if names:
                        bench.repo.delete_branch(names[0], force=True, context=bench.context())
                case "gc":
                    bench.repo.gc(context=bench.context(), keep_operations_us=0)
                    model = {
                        rev: data
                        for rev, data in model.items()
                        if bench.repo.store.has([bench.repo._core.resolve(rev)])[0]
                    }
                case "optimize":
                    before = stored(bench)
                    bench.repo.optimize()
                    assert stored(bench) <= before
                    require_sound(bench, model)


def stored(bench: Bench) -> int:
    """Bytes of all records."""
    return sum(info.record_size for _, info in bench.repo.store.ids())
