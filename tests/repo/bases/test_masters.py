"""F32 masters that were there before their BF16 copies: `mvc optimize` makes them rest on these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.codec.encoded import Codec
from mvcd.ids import ChunkId
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from mvcd.store.lmdb_store import LmdbStore
from tests.repo.bases.test_casts import Arrays, copy, master, network
from tests.support.memory import in_memory
from tests.support.workspace import Bench

MASTER, COPY = "run/master.safetensors", "out/model.safetensors"


def stored(bench: Bench) -> int:
    """Bytes of all records."""
    return sum(info.record_size for _, info in bench.repo.store.ids())


def widened(bench: Bench) -> int:
    """Chunks that rest on a copy."""
    ids = [id for id, _ in bench.repo.store.ids()]
    return [*bench.repo.store.codecs(ids).values()].count(Codec.WIDENED4)


def deepest(bench: Bench) -> int:
    store = bench.repo.store
    chunks = [id for id, _ in store.ids() if isinstance(id, ChunkId)]
    return max(len(chain_of(lambda id: store.info(id).base, chunk)) - 1 for chunk in chunks)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_copy_that_comes_later_costs_nothing_after_optimizing(bench: Bench, prefix: str) -> None:
    net = network()
    bench.save({MASTER: master(net)})
    alone = stored(bench)
    bench.save({COPY: copy(net, prefix)})
    before = stored(bench)
    assert before - alone > 0.6 * len(copy(net)), "it cannot be taken from its master"
    told = bench.repo.optimize(dry_run=True)
    assert stored(bench) == before
    done = bench.repo.optimize()
    assert told.rebased == done.rebased > 0
    assert stored(bench) - alone < 0.02 * len(copy(net))
    assert widened(bench) == 16, "two tensors of 2 MB"
    assert bench.repo.read(MASTER) == master(net)
    assert bench.repo.read(COPY) == copy(net, prefix)
    assert bench.repo.verify().ok
    assert bench.repo.optimize().rebased == 0


def test_a_master_that_comes_later_rests_on_its_copy_at_once(bench: Bench) -> None:
    net = network()
    alone = bench.save({"other.safetensors": master(network(2))}).bytes_stored
    bench.save({COPY: copy(net)})
    done = bench.save({MASTER: master(net)})
    assert done.bytes_stored + 0.65 * len(copy(net)) < 1.02 * alone
    assert bench.repo.read(MASTER) == master(net)
    assert bench.repo.verify().ok


def test_a_copy_that_goes_again_stays_as_a_base(bench: Bench) -> None:
    net = network()
    bench.save({MASTER: master(net)})
    bench.repo.switch("release", create=True, context=bench.context())
    bench.save({COPY: copy(net)})
    bench.repo.optimize()
    bench.repo.switch("main", context=bench.context())
    bench.repo.delete_branch("release", force=True, context=bench.context())
    for _ in range(2):  # all is looked at, then what came
        bench.repo.gc(context=bench.context(), keep_operations_us=0)
        assert bench.repo.read(MASTER) == master(net)
        assert bench.repo.verify().ok


def test_other_weights_of_the_same_names_are_left(bench: Bench) -> None:
    bench.save({MASTER: master(network())})
    bench.save({COPY: copy(network(3))})
    assert bench.repo.optimize().rebased == widened(bench) == 0


def test_a_damaged_copy_is_no_base(bench: Bench) -> None:
    net = network()
    bench.save({MASTER: master(net)})
    before = {id for id, _ in bench.repo.store.ids()}
    bench.save({COPY: copy(net)})
    store: LmdbStore = bench.repo.store
    bad = next(id for id, _ in store.ids() if id not in before and isinstance(id, ChunkId))
    at = store.location(bad)
    with Path(store.pack_directory, f"{at.pack:08x}.pack").open("r+b") as file:
        file.seek(at.offset + at.size - 9)
        file.write(b"\0\1\2\3\4\5\6\7\0")
    bench.repo.optimize()
    assert bad not in [info.base for _, info in store.ids()]
    assert bench.repo.read(MASTER) == master(net)


def trained(net: Arrays, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {n: v + rng.normal(0, 3e-5, len(v)).astype("f4") for n, v in net.items()}


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(st.sampled_from(["train", "copy", "both", "optimize"]), min_size=2, max_size=8))
def test_any_history_reads_the_same_and_gets_no_larger(verbs: list[str]) -> None:
    """Runs of which some versions have a copy, in their own commit or in a later one."""
    kept: dict[tuple[str, str], bytes] = {}
    net = network(size=70_000)
    with in_memory() as directory, Bench(directory / "experiment") as bench:
        for step, verb in enumerate(["train", *verbs, "optimize"]):
            if verb == "optimize":
                before = stored(bench)
                bench.repo.optimize()
                assert stored(bench) <= before
            else:
                net = trained(net, step) if verb != "copy" else net
                paths = {"train": [MASTER], "copy": [COPY], "both": [MASTER, COPY]}[verb]
                made = {MASTER: master, COPY: copy}
                files = {path: made[path](net) for path in paths}
                bench.write(files)  # type: ignore[arg-type]
                bench.add()
                version = bench.commit(f"step {step}", allow_empty=True).version
                kept |= {(version.hex(), path): data for path, data in files.items()}
            assert deepest(bench) <= MOST_LEVELS + 1
        for (rev, path), data in kept.items():
            assert bench.repo.read(path, rev) == data
        assert bench.repo.verify().ok
