"""Only files that differ are read for what changed, and the answer is what a table of all files would say."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.ids import Digest
from mvcd.inspect.trainingstate import state_in
from mvcd.objects.version import Component
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.compare.tensorchanges import compare_tensors
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.contents.pieces import Content
from mvcd.repo.core.core import Core
from mvcd.repo.tensors.sameness import Sameness
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensormatch import equal_files, matched, present
from mvcd.repo.tensors.tensortable import TensorRow, TensorSide, TensorSides, form_of
from tests.support.fetched import recipes_fetched
from tests.support.workspace import Bench

Told = tuple[str, object, object, str, str | None, bool]
"""Label, form before and after, kind, problem, and whether it is training state."""

# ---------------------------------------------------------------- a table of all files, as it is to be


def whole_table(core: Core, sides: Sides) -> list[Told]:
    """Every file of both sides is read, and every tensor takes part in the matching."""
    old, new = sides.old, sides.new
    both = TensorSides(*(_side(core, side, sides.weights_on_one_side) for side in (old, new)))
    entries = both.old.entries(), both.new.entries()
    equal = equal_files(*entries, sides.changes)
    rows = [
        [row for path, entry in files.items() for row in _rows(side, entry, path not in equal)]
        for side, files in zip(both, entries, strict=True)
    ]
    names: dict[str, list[str]] = {}
    for row in (*rows[0], *rows[1]):
        names.setdefault(row.path, []).append(row.name)
    pairs, judge = matched(*rows), Sameness(both)
    uses = Counter(present(pair).name for pair in pairs)
    found = []
    for pair in pairs:
        row = present(pair)
        label = row.name if uses[row.name] == 1 else f"{row.path}:{row.name}"
        state = row.name in state_in(row.path, names[row.path])
        found.append((label, *map(form_of, pair), *judge.kind(*pair), state))
    return found


def _side(core: Core, side: Side, also: tuple[str, ...]) -> TensorSide:
    store = None if side.place else core.store
    return TensorSide(side.version, Content(side.fetch, store, side.place), also)


def _rows(side: TensorSide, entry: Any, headers: bool) -> list[TensorRow]:
    rows = list(side.recipe_rows(entry, headers=headers))
    return list(side.header_rows(entry)) if headers and not rows else rows


def told(tensors: Mapping[str, TensorDiff]) -> list[Told]:
    return [(label, t.old, t.new, t.kind, t.problem, t.state) for label, t in tensors.items()]


def check(bench: Bench, sides: Callable[[], Sides]) -> None:
    """All that is told of two sides; each question asked first, for it must not need another."""
    core = bench.repo._core
    every = whole_table(core, sides())
    asked = bench.repo.weights(sides())
    changes = [t[1:4] for t in every if t[3] != "unchanged"]
    kinds = {kind for _, _, kind in changes}
    assert [(t.old, t.new, t.kind) for t in asked.of_kind(*kinds)] == changes
    pairs: list[Any] = [(old, new) for _, old, new, *_ in every if old and new]
    assert asked.moved_to() == {new.path for old, new in pairs if old.path != new.path}
    assert told(asked) == every
    by_label, one = dict(asked), bench.repo.weights(sides())
    for label, old, new, kind, *_ in every:
        assert asked[label] is by_label[label]
        form: Any = new or old
        for name in (label, f"{form.path}:{by_label[label].name}"):
            found = one[name]
            assert (found.old, found.new, found.kind) == (old, new, kind)
    compare_tensors(sides())


# ---------------------------------------------------------------- examples

PATHS = (
    "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "a/m.safetensors", "z.safetensors",
    "a/optimizer.safetensors", "b.npz",
)  # fmt: skip
KINDS = st.sampled_from([("f4", (3,)), ("f4", (1, 3)), ("f2", (6,))])
FILE = st.dictionaries(
    st.sampled_from(["a", "b", "model.w", "optimizer.w"]),
    st.tuples(KINDS, st.integers(1, 2)),
    max_size=3,
)
FILES = st.dictionaries(st.sampled_from(PATHS), FILE, max_size=5)
Described = dict[str, dict[str, tuple[tuple[str, tuple[int, ...]], int]]]


def written(files: Described) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {"note.txt": "tracked"}
    for path, tensors in files.items():
        arrays = {name: np.full(shape, value, d) for name, ((d, shape), value) in tensors.items()}
        found[path] = npz(arrays) if path.endswith(".npz") else save(arrays)
    return found


def npz(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


A, B, C = ((("f4", (3,)), 1), (("f4", (3,)), 2), (("f2", (6,)), 1))
ONE, TWO, OTHER, LAST = PATHS[0], PATHS[1], PATHS[2], PATHS[3]


@settings(max_examples=30, deadline=None)
@given(old=FILES, new=FILES, kept=st.sets(st.sampled_from(PATHS)))
@example(old={ONE: {"a": A}, TWO: {"b": B}}, new={ONE: {"b": B}, TWO: {"a": A}}, kept={LAST})
@example(old={ONE: {"a": A, "b": B}}, new={ONE: {"a": A}, TWO: {"b": C}}, kept=set())
@example(old={ONE: {"a": A}, LAST: {"a": A}}, new={ONE: {"a": B}}, kept={LAST})
@example(old={ONE: {"a": A}, LAST: {"b": B}}, new={OTHER: {"a": A}}, kept={LAST})
@example(old={ONE: {"a": A}, LAST: {"model.w": A}}, new={ONE: {"b": A}}, kept={LAST})
@example(old={LAST: {"a": A, "b": B}}, new={ONE: {"b": A}, LAST: {"b": B}}, kept=set())
@example(old={}, new={"b.npz": {"a": A}, ONE: {"a": A}}, kept=set())
def test_it_is_what_a_table_of_all_files_says(
    old: Described, new: Described, kept: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Files that came, went, stayed (`kept`), were sharded anew or share names, saved and in the workspace."""
    new = {**new, **{path: old[path] for path in kept if path in old}}
    with Bench(tmp_path_factory.mktemp("w") / "experiment") as bench:
        bench.save(written(old))
        bench.remove(*(old.keys() - new.keys()))
        bench.write(written(new))
        bench.add()
        check(bench, bench.repo.sides)
        bench.commit(allow_empty=True)
        check(bench, lambda: bench.repo.sides("v1", "v2"))


def model(seed: int, count: int = 6) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    return {f"layers.{n}.w": random.normal(size=(30, 40)).astype("f4") for n in range(count)}


def test_an_index_that_moves_tensors_between_shards(bench: Bench) -> None:
    def sharded(places: list[int]) -> dict[str, bytes | str]:
        tensors, names = model(1), [f"m-{n + 1:05}-of-00003.safetensors" for n in range(3)]
        files: dict[str, bytes | str] = {
            name: save({t: tensors[t] for t, at in zip(tensors, places, strict=True) if at == n})
            for n, name in enumerate(names)
        }
        at = {t: names[place] for t, place in zip(tensors, places, strict=True)}
        return files | {"m.safetensors.index.json": json.dumps({"weight_map": at})}

    still = {f"other/{n}.safetensors": save(model(n + 2)) for n in range(3)}
    bench.save({**still, **sharded([0, 0, 1, 1, 2, 2])})
    bench.save(sharded([0, 1, 1, 0, 2, 2]))
    check(bench, lambda: bench.repo.sides("v1", "v2"))
    weights = bench.repo.weights(bench.repo.sides("v1", "v2"))
    assert weights.moved_to() == {f"m-{n:05}-of-00003.safetensors" for n in (1, 2)}


def test_files_that_differ_in_all_but_their_content(bench: Bench) -> None:
    """One is weights on one side alone, one became a program."""
    bench.save(
        {"m.safetensors": save(model(1)), "n.safetensors": save({"n": model(2)["layers.0.w"]})}
    )
    os.chmod(bench.path("n.safetensors"), 0o755)
    bench.save({"mvc.toml": '[components]\ndata = ["m.safetensors"]\n'})
    sides = bench.repo.sides("v1", "v2")
    assert {"m.safetensors", "n.safetensors"} <= sides.changes.keys()
    assert Component.DATA in {b.component for _, b in sides.changes.values() if b is not None}
    check(bench, lambda: bench.repo.sides("v1", "v2"))


# ---------------------------------------------------------------- what is read


@pytest.fixture
def fetched() -> Iterator[list[Digest]]:
    with recipes_fetched() as found:
        yield found


@pytest.fixture
def many(bench: Bench) -> Bench:
    """Forty files, of which one tensor of one changed."""
    bench.save({f"w/{n:02}.safetensors": save(model(n, 2)) for n in range(40)})
    one = model(7, 2)
    one["layers.1.w"][0, 0] += 1
    bench.save({"w/07.safetensors": save(one)})
    return bench


def recipes(bench: Bench, path: str, *revs: str) -> set[Digest]:
    core = bench.repo._core
    found = [VersionFiles(core.version(core.resolve(rev)), core.fetch).find(path) for rev in revs]
    return {placed.entry.recipe for placed in found if placed is not None}


def test_only_files_that_differ_are_read_for_what_changed(
    many: Bench, fetched: list[Digest]
) -> None:
    sides = many.repo.sides("v1", "v2")
    told = compare_tensors(sides)
    assert told.files["w/07.safetensors"].changed == ("layers.1.w",)
    weights = many.repo.weights(sides)
    weights.measure()
    (tensor,) = weights.of_kind("changed")
    assert tensor.max_abs == pytest.approx(1, rel=1e-6)
    assert weights.to_measure({"w/07.safetensors"}) == [tensor]
    assert weights.moved_to() == set()
    assert weights["w/07.safetensors:layers.1.w"] is tensor
    assert weights["w/07.safetensors:layers.0.w"].kind == "unchanged"
    assert set(fetched) == recipes(many, "w/07.safetensors", "v1", "v2")


def test_equal_files_are_read_once_for_all_tensors(many: Bench, fetched: list[Digest]) -> None:
    """Not once for each side; and what was measured before is measured no more."""
    weights = many.repo.weights(many.repo.sides("v1", "v2"))
    weights.measure()
    assert len(weights) == 80
    assert weights["w/07.safetensors:layers.1.w"].measured
    assert Counter(fetched).most_common(1)[0][1] == 1
    assert len(fetched) == 41


def test_figures_of_a_tensor_of_an_equal_file(many: Bench) -> None:
    for sides in (many.repo.sides("v1", "v2"), many.repo.sides("v1")):
        weights = many.repo.weights(sides)
        tensor = weights["w/03.safetensors:layers.0.w"]
        assert (tensor.kind, tensor.l2) == ("unchanged", 0)
        values = model(3)["layers.0.w"].astype("f8")
        assert tensor.mean == pytest.approx((values.mean(), values.mean()), rel=1e-6)
        assert sum(weights.distribution(tensor).counts) == values.size
