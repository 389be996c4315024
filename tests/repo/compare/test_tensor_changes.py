"""Tensors matched by name across files, and by content where names changed; formats without tensor recipes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.inspect.tensors import TensorChanges
from mvcd.objects.entry import PathMap
from mvcd.repo.compare import architecture, tensorchanges
from mvcd.repo.compare.architecture import compare_architecture
from mvcd.repo.records.results import Diff
from mvcd.repo.tensors import tensortable
from tests.support.workspace import Bench

Arrays = Mapping[str, np.ndarray[Any, Any]]


def model(seed: int, **others: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    names = [f"layers.{n}.{part}" for n in range(4) for part in ("up", "down")]
    return {**{n: random.normal(size=(30, 40)).astype(np.float32) for n in names}, **others}


def sharded(tensors: Arrays, count: int) -> dict[str, bytes | str]:
    names = sorted(tensors)
    return {
        f"m-{n + 1:05}-of-{count:05}.safetensors": save({k: tensors[k] for k in names[n::count]})
        for n in range(count)
    }


def npz(tensors: Arrays, *, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **tensors)  # type: ignore[arg-type]
    return file.getvalue()


def compared(bench: Bench, old: dict[str, bytes | str], new: dict[str, bytes | str]) -> Diff:
    bench.save(old)
    bench.remove(*(old.keys() - new.keys()))
    bench.write(new)
    unsaved = bench.repo.diff()
    bench.commit()
    saved = bench.repo.diff("v1", "v2")
    assert (saved.tensors, saved.across) == (unsaved.tensors, unsaved.across)
    return saved


def test_a_model_sharded_anew_has_lost_nothing(bench: Bench) -> None:
    old = model(1, head=np.ones(9, np.float32))
    new = {**old, "layers.1.up": old["layers.1.up"] + 1, "extra": np.zeros(5, np.float32)}
    del new["layers.0.down"]
    new["layers.0.output"] = old["layers.0.down"]
    other = {name: tensor for name, tensor in model(3).items() if name != "layers.0.down"}
    diff = compared(bench, sharded(old, 5), {**sharded(new, 2), "other.safetensors": save(other)})
    assert diff.tensors == {}
    rest = sorted(old.keys() - {"layers.1.up", "layers.0.down"})
    assert diff.across == TensorChanges(
        added=("extra",),
        changed=("layers.1.up",),
        unchanged=tuple(rest),
        renamed=(("layers.0.down", "layers.0.output"),),
    )
    weights = bench.repo.weights(bench.repo.sides("v1", "v2"))
    assert weights["layers.0.down"] is weights["layers.0.output"]
    assert weights["layers.0.output"].kind == "renamed"
    assert weights["layers.0.output"].relative_l2 == 0


def test_a_renamed_layer_of_one_file(bench: Bench) -> None:
    old = model(1)
    new = {name.replace("layers.2.", "blocks.2."): tensor for name, tensor in old.items()}
    diff = compared(bench, {"m.safetensors": save(old)}, {"m.safetensors": save(new)})
    assert diff.across is None
    found = diff.tensors["m.safetensors"]
    assert found.renamed == (
        ("layers.2.down", "blocks.2.down"),
        ("layers.2.up", "blocks.2.up"),
    )
    assert (found.added, found.removed, len(found.unchanged)) == ((), (), 6)


@pytest.mark.parametrize("compressed", [False, True])
def test_tensors_of_formats_that_do_not_rule_the_cutting(bench: Bench, compressed: bool) -> None:
    old = model(1, gone=np.ones(3), wide=np.ones((2, 3)), half=np.ones(4))
    new = {
        **old, "layers.0.up": old["layers.0.up"] * 2, "wide": np.ones((3, 3)),
        "half": np.ones(4, np.float16), "fresh": np.ones(2),
    }  # fmt: skip
    del new["gone"]
    before, after = npz(old, compressed=compressed), npz(new, compressed=compressed)
    diff = compared(bench, {"m.npz": before}, {"m.npz": after})
    found = diff.tensors["m.npz"]
    assert (found.changed, found.reshaped, found.retyped) == (
        ("layers.0.up",),
        ("wide",),
        ("half",),
    )
    assert (found.added, found.removed, len(found.unchanged)) == (("fresh",), ("gone",), 7)


def test_what_would_be_read_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorchanges, "READ_BYTES", 0)
    old, new = model(1), model(2)
    fresh = npz({**new, "fresh": np.ones(2)}, compressed=True)
    diff = compared(bench, {"m.npz": npz(old, compressed=True)}, {"m.npz": fresh})
    found = diff.tensors["m.npz"]
    assert (found.uncompared, found.added, found.changed) == (tuple(sorted(old)), ("fresh",), ())


KINDS = st.sampled_from([("F32", (2,)), ("F32", (1, 2)), ("F16", (4,))])
TENSORS = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(KINDS, st.integers(1, 3)), max_size=6
)


def arrays(described: dict[str, tuple[tuple[str, tuple[int, ...]], int]]) -> Arrays:
    dtypes = {"F32": np.float32, "F16": np.float16}
    return {n: np.full(shape, v, dtypes[d]) for n, ((d, shape), v) in described.items()}


@settings(max_examples=15, deadline=None)
@given(old=TENSORS, new=TENSORS, shards=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_each_tensor_is_in_exactly_one_list(
    old: dict[str, tuple[tuple[str, tuple[int, ...]], int]],
    new: dict[str, tuple[tuple[str, tuple[int, ...]], int]],
    shards: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Bench(tmp_path_factory.mktemp("w") / "experiment") as bench:
        bench.save({**sharded(arrays(old), shards[0]), "z.safetensors": save(arrays(old))})
        bench.remove(*sharded({}, shards[0]))
        bench.write({**sharded(arrays(new), shards[1]), "z.safetensors": save(arrays(new))})
        bench.commit(allow_empty=True)
        found = bench.repo.diff("v1", "v2").tensors.get("z.safetensors")
    if found is None:
        return
    names = [n for field in TensorChanges.__slots__ for n in getattr(found, field)]
    flat = [m for n in names for m in ((n,) if isinstance(n, str) else n)]
    assert sorted(flat) == sorted(old.keys() | new.keys())
    assert set(found.unchanged) == {n for n in old.keys() & new.keys() if old[n] == new[n]}
    for before, after in found.renamed:
        assert old[before] == new[after]


def test_tensors_of_files_that_came_are_counted_by_file(bench: Bench) -> None:
    tensors = model(5)
    moved = {
        "a/m.safetensors": save(model(6)),
        "b/m.safetensors": save({"head": tensors["layers.0.up"]}),
    }
    diff = compared(bench, {"m.safetensors": save(tensors), "stays.safetensors": save(tensors)},
                    {"stays.safetensors": save(model(7)), **moved})  # fmt: skip
    assert diff.came == {"a/m.safetensors": 8, "b/m.safetensors": 1}


def test_few_changes_among_many_files_are_found_without_listing_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, bytes | str] = {f"{n // 600}/{n:04}.bin": b"%d" % n for n in range(3600)}
    bench.save({**files, "1/m.safetensors": save(model(50))})
    bench.write({"1/m.safetensors": save(model(51)), "1/0700.bin": "changed"})
    bench.commit()
    nodes = {}
    for most in (0, 512):
        for module in (tensortable, architecture):
            monkeypatch.setattr(module, "FULL_SCAN_LOOKUPS", most)
        sides, read = bench.repo.sides("v1", "v2"), []
        monkeypatch.setattr(
            PathMap, "decode", lambda self, data, read=read: read.append(1) or decode(self, data)
        )
        assert tensorchanges.compare_tensors(sides).files.keys() == {"1/m.safetensors"}
        assert [model.new for model in compare_architecture(sides).models] == ["1/m"]
        nodes[most] = len(read)
    assert 0 < nodes[512] < nodes[0] / 2


decode = PathMap.decode


@pytest.mark.parametrize("most", [0, 512])
def test_few_changes_are_compared_as_many_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """`most` changes whose files are looked up one by one; past it all files are listed."""
    for module in (tensortable, architecture):
        monkeypatch.setattr(module, "FULL_SCAN_LOOKUPS", most)
    new = {**model(1), "layers.0.up": np.ones((3, 2), np.float32)}
    top = {"top.safetensors": save(model(2)), "a/b/m.safetensors": save(model(3))}
    bench.save({**sharded(model(1), 3), **top, "a/still.npz": npz(model(4)), "c.txt": "c"})
    bench.remove("a/b/m.safetensors")
    bench.write({**sharded(new, 3), "a/moved.safetensors": save(model(3)), "c.txt": "d"})
    bench.commit()
    found = bench.repo.diff("v1", "v2")
    reshaped = [name for change in found.tensors.values() for name in change.reshaped]
    assert reshaped == ["layers.0.up"]
    assert found.across is not None and len(found.across.unchanged) == 8
    models = compare_architecture(bench.repo.sides("v1", "v2")).models
    assert [(m.old, m.new, m.same, len(m.reshaped)) for m in models] == [
        ("m", "m", 7, 1),
        ("a/b/m", "a/moved", 8, 0),
    ]
