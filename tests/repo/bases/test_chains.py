"""Differences of differences: how deep, to which chunk, and that every bit comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.ids import ChunkId
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of, choose
from tests.support.memory import in_memory
from tests.support.pruning import prune
from tests.support.workspace import Bench

Array = np.ndarray  # type: ignore[type-arg]


@dataclass
class Chunks:
    """What a store says of chunks: their bases."""

    bases: dict[ChunkId, ChunkId | None] = field(default_factory=dict)

    def put(self, base: ChunkId | None) -> ChunkId:
        id = ChunkId.of(str(len(self.bases)).encode())
        self.bases[id] = base
        return id

    def base(self, id: ChunkId) -> ChunkId | None:
        return self.bases[id]


@given(st.lists(st.tuples(st.integers(0), st.booleans(), st.booleans())))
def test_no_history_of_branches_makes_a_chain_too_deep(
    history: list[tuple[int, bool, bool]],
) -> None:
    store = Chunks()
    made = [store.put(None)]
    for before, siblings, pays in history:
        chain = chain_of(store.base, made[before % len(made)])
        base, _ = choose(chain, siblings=siblings)
        assert base in chain
        made.append(store.put(base if pays else None))
        assert len(chain_of(store.base, made[-1])) <= 1 + MOST_LEVELS


def test_a_run_goes_down_from_its_beginning_again_and_again() -> None:
    store = Chunks()
    made = [store.put(None)]
    shares = set()
    for _ in range(2 * MOST_LEVELS):
        base, share = choose(chain_of(store.base, made[-1]), siblings=False)
        made.append(store.put(base))
        shares.add((made.index(base) == len(made) - 2, share))
    assert [made.index(base) for base in store.bases.values() if base] == [0, 1, 2, 0, 4, 5]
    assert len(shares) == 2, "the beginning has to save more than the one before"


def test_a_chain_that_came_from_elsewhere_is_not_made_longer() -> None:
    store = Chunks()
    deep = [store.put(None)]
    for _ in range(20):
        deep.append(store.put(deep[-1]))
    chain = chain_of(store.base, deep[-1])
    assert choose(chain, siblings=False)[0] == choose(chain, siblings=True)[0] == deep[0]


# ---------------------------------------------------------------- real files


def bases(bench: Bench, id: ChunkId) -> list[ChunkId]:
    return chain_of(lambda id: bench.repo.store.info(id).base, id)[1:]


def chunks_of(bench: Bench, data: bytes) -> list[ChunkId]:
    """The chunks of the tensors of a safetensors file."""
    start = 8 + int.from_bytes(data[:8], "little")
    size = 256 << 10
    return [ChunkId.of(data[at : at + size]) for at in range(start, len(data), size)]


def run(count: int, size: int = 200_000, seed: int = 1, drift: float = 3e-4) -> list[Array]:
    """Weights that move on by as much at each step, in a direction of its own."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.02, size).astype("f4")]
    for _ in range(count - 1):
        weights.append(weights[-1] + rng.normal(0, drift, size).astype("f4"))
    return weights


def bf16(values: Array) -> Array:
    """The upper halves, which is BF16 by truncation; safetensors.numpy has no such dtype, but F16 has its width
    and its planes."""
    return values.astype("f2")


def test_a_run_is_stored_in_short_chains_and_smaller_than_from_its_first(bench: Bench) -> None:
    files = [save({"w": bf16(values)}) for values in run(8)]
    stored = [bench.save({"model.safetensors": data}).bytes_stored for data in files]
    levels = [len(bases(bench, id)) for data in files for id in chunks_of(bench, data)]
    assert max(levels) == MOST_LEVELS
    assert max(stored[1:4]) < 1.1 * min(stored[1:4]), "each is near the one before"
    for number, data in enumerate(files, 1):
        assert bench.repo.read("model.safetensors", f"v{number}") == data
    assert bench.repo.verify().ok


def test_fine_tunes_of_one_model_all_rest_on_it(bench: Bench) -> None:
    """Each in a directory of its own, one after another: the one before is no base for the next."""
    base = run(1)[0]
    first = save({"w": base})
    bench.save({"base/model.safetensors": first})
    rng = np.random.default_rng(5)
    for number in range(5):
        tuned = save({"w": base + rng.normal(0, 1e-4, base.size).astype("f4")})
        bench.save({f"tune-{number}/model.safetensors": tuned})
        assert {tuple(bases(bench, id)) for id in chunks_of(bench, tuned)} <= {
            (id,) for id in chunks_of(bench, first)
        }


def test_what_moved_far_from_the_beginning_begins_anew(bench: Bench) -> None:
    files = [save({"w": values}) for values in run(MOST_LEVELS + 3, drift=1.5e-3)]
    for data in files:
        bench.save({"model.safetensors": data})
    levels = [{len(bases(bench, id)) for id in chunks_of(bench, data)} for data in files]
    assert levels == [{0}, {1}, {2}, {3}, {0}, {1}]


def test_bases_of_bases_outlive_the_versions_that_they_came_with(bench: Bench) -> None:
    files = [save({"w": values}) for values in run(4)]
    for data in files:
        bench.save({"model.safetensors": data})
    assert {len(bases(bench, id)) for id in chunks_of(bench, files[3])} == {3}
    for rev in ("v1", "v2", "v3"):
        prune(bench.repo, rev)
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    assert bench.repo.store.has([*chunks_of(bench, files[0])]) == [True] * 4
    assert bench.repo.read("model.safetensors", "v4") == files[3]
    assert list(bench.repo.store.check()) == []


_BITS = {"f2": "u2", "f4": "u4", "f8": "u8"}


@st.composite
def series(draw: st.DrawFn) -> list[dict[str, Array]]:
    """Checkpoints of arrays in which some elements change to anything: NaNs with payloads, -0, denormals."""
    dtype = draw(st.sampled_from(sorted(_BITS)))
    bits = np.dtype(_BITS[dtype])
    odd = [0, 1, 1 << (8 * bits.itemsize - 1), (1 << 8 * bits.itemsize) - 1]
    source = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    values = source.normal(0, 0.02, draw(st.integers(33, 3000))).astype(dtype).view(bits)
    made = []
    for _ in range(draw(st.integers(2, 7))):
        made.append({"w": values.view(dtype)})
        values = values.copy()
        kind = draw(st.sampled_from(["step", "odd", "noise", "same"]))
        some = source.integers(0, len(values), draw(st.integers(1, len(values))))
        if kind == "step":
            values[some] += source.integers(0, 9, len(some)).astype(bits)
        elif kind == "odd":
            values[some] = source.choice(np.array(odd, bits), len(some))
        elif kind == "noise":
            values[:] = source.integers(0, 1 << 8 * bits.itemsize, len(values), bits)
    return made


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(series(), st.booleans())
def test_every_bit_comes_back(checkpoints: list[dict[str, Array]], apart: bool) -> None:
    with in_memory() as directory, Bench(directory / "experiment") as bench:
        files = {}
        for number, tensors in enumerate(checkpoints, 1):
            path = f"checkpoint-{number}/m.safetensors" if apart else "m.safetensors"
            data = save(tensors)
            bench.write({path: data, "step": str(number)})
            bench.add()
            bench.commit()
            files[number] = (path, data)
        for number, (path, data) in files.items():
            bench.checkout(f"v{number}", force=True)
            assert bench.files()[path] == data
        assert bench.repo.verify().ok
