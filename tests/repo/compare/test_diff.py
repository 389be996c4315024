"""The five differences, between versions and against the workspace."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.objects.version import Component
from mvcd.repo.compare.diff import value_changes
from mvcd.repo.records.results import Diff, FileChanges
from tests.support.workspace import Bench

BEFORE: dict[str, bytes | str] = {
    "model.py": "class Net:\n    layers = 2\n",
    "params.yaml": "lr: 0.1\nopt: {name: adam, eps: 1e-8}\nold: 1\n",
    "metrics.json": '{"val": {"acc": 0.5, "loss": NaN}, "epoch": 3}',
    "data/a.csv": "1,2\n",
    "data/gone.csv": "gone\n" * 50,
    "data/moved.csv": "moved\n" * 50,
}
AFTER: dict[str, bytes | str] = {
    "model.py": "class Net:\n    layers = 3\n",
    "params.yaml": "lr: 0.2\nopt: {name: adam, eps: 1e-8}\nnew: true\n",
    "metrics.json": '{"val": {"acc": 0.75, "loss": NaN}, "epoch": 3}',
    "data/a.csv": "1,2\n",
    "data/new.csv": "new\n" * 50,
    "data/elsewhere.csv": "moved\n" * 50,
}


def both_ways(bench: Bench) -> list[Diff]:
    """From v1 to the unsaved workspace, and to v2 once it is saved."""
    bench.save(BEFORE)
    bench.remove("data/gone.csv", "data/moved.csv")
    bench.write(AFTER)
    unsaved = bench.repo.diff()
    bench.commit()
    return [unsaved, bench.repo.diff("v1", "v2"), bench.repo.diff("v1")]


def test_files_settings_and_metrics(bench: Bench) -> None:
    for diff in both_ways(bench):
        assert diff.components[Component.ARCHITECTURE] == FileChanges(modified=("model.py",))
        assert diff.components[Component.WEIGHTS] == FileChanges()
        assert diff.components[Component.DATA] == FileChanges(
            added=("data/new.csv",),
            deleted=("data/gone.csv",),
            renamed=(("data/moved.csv", "data/elsewhere.csv"),),
        )
        assert {k: (c.old, c.new, c.diff) for k, c in diff.hyperparameters.items()} == {
            "lr": (0.1, 0.2, pytest.approx(0.1)),
            "new": (None, True, None),
            "old": (1, None, None),
        }
        assert {k: (c.old, c.new, c.diff) for k, c in diff.metrics.items()} == {
            "val.acc": (0.5, 0.75, 0.25)
        }
        assert diff.changed


def test_equal_sides_have_no_difference(bench: Bench) -> None:
    bench.save(BEFORE)
    for diff in (bench.repo.diff(), bench.repo.diff("v1", "HEAD")):
        assert not diff.changed
        assert not (diff.hyperparameters or diff.metrics or diff.tensors)
        assert list(bench.repo.patch(diff)) == []
    bench.write({"model.py": "now"})
    bench.write({"model.py": BEFORE["model.py"]})
    assert not bench.repo.diff().changed


def test_only_the_components_asked_for(bench: Bench) -> None:
    both_ways(bench)
    diff = bench.repo.diff("v1", "v2", components=[Component.RESULTS])
    assert set(diff.components) == {Component.RESULTS}
    assert diff.hyperparameters == {}
    assert list(diff.metrics) == ["val.acc"]
    assert [line[4:] for line in bench.repo.patch(diff) if line.startswith("+++")] == [
        "b/metrics.json"
    ]


def test_patches_apply(bench: Bench) -> None:
    for diff in both_ways(bench)[:2]:
        lines = list(bench.repo.patch(diff))
        at = lines.index("--- a/model.py")
        assert lines[at : at + 6] == [
            "--- a/model.py", "+++ b/model.py", "@@ -1,2 +1,2 @@", " class Net:",
            "-    layers = 2", "+    layers = 3",
        ]  # fmt: skip
        assert "--- /dev/null" in lines
        assert "+++ /dev/null" in lines


def test_patches_of_what_has_no_lines(bench: Bench) -> None:
    bench.save({"data/a.bin": b"\0" * 200, "data/big.txt": "x\n" * (3 << 20), "run.py": "1"})
    os.symlink("run.py", bench.path("link.py"))
    bench.save({"data/a.bin": b"\0" * 300, "data/big.txt": "y\n" * (3 << 20)})
    os.unlink(bench.path("link.py"))
    os.symlink("data/a.bin", bench.path("link.py"))
    unsaved = list(bench.repo.patch(bench.repo.diff()))
    assert "-run.py" in unsaved
    assert "+data/a.bin" in unsaved
    lines = list(bench.repo.patch(bench.repo.diff("v1", "v2")))
    assert "data/a.bin: binary files differ" in lines
    assert "data/big.txt: too large to show line by line" in lines


def test_modes_and_links_are_modifications(bench: Bench) -> None:
    bench.save({"run.sh": "#!/bin/sh\n", "same": "1"})
    os.chmod(bench.path("run.sh"), 0o755)
    assert [c.modified for c in bench.repo.diff().components.values() if c.changed] == [("run.sh",)]
    assert {c.path for c in bench.repo.status().modified} == {"run.sh"}
    bench.commit()
    bench.checkout("v1")
    assert (
        not os.access(bench.path("run.sh"), os.X_OK)
        or os.stat(bench.path("run.sh")).st_mode & 0o111 == 0
    )


def test_a_file_that_changes_its_component(bench: Bench) -> None:
    bench.save({"data/x.dat": "x" * 300})
    bench.save({"mvc.toml": '[components]\nweights = ["data/**"]\n'})
    diff = bench.repo.diff("v1", "v2")
    assert not diff.components[Component.DATA].deleted
    assert diff.components[Component.WEIGHTS] == FileChanges(
        moved=(("data/x.dat", Component.DATA),)
    )


def test_tensors_of_changed_weights_without_reading_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        return {
            "same": np.arange(100_000, dtype=np.float32),
            "changed": np.random.default_rng(seed).normal(size=1000).astype(np.float32),
        }

    old = {
        **weights(1),
        "removed": np.zeros(3),
        "retyped": np.zeros(4),
        "reshaped": np.zeros((2, 3)),
    }
    new = {
        **weights(2), "added": np.ones(3), "retyped": np.zeros(4, dtype=np.float32),
        "reshaped": np.zeros((3, 2)),
    }  # fmt: skip
    bench.save({"m.safetensors": safetensors.numpy.save(old), "other.pt": "plain"})
    bench.write({"m.safetensors": safetensors.numpy.save(new), "other.pt": "plain too"})
    unsaved = bench.repo.diff().tensors
    bench.commit()
    fetch = bench.repo._core.fetch
    kinds = []
    monkeypatch.setattr(
        bench.repo._core, "fetch", lambda id: kinds.append(id.kind.name) or fetch(id)
    )
    saved = bench.repo.diff("v1", "v2").tensors
    assert saved == unsaved
    assert "CHUNK" not in kinds
    found = saved["m.safetensors"]
    assert (found.added, found.removed, found.changed) == (("added",), ("removed",), ("changed",))
    assert (found.reshaped, found.retyped, found.unchanged) == (
        ("reshaped",),
        ("retyped",),
        ("same",),
    )
    assert list(saved) == ["m.safetensors"]


VALUES = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.sampled_from([1.0, math.nan, math.inf]),
    st.text("ab", max_size=2),
)


TABLES = st.dictionaries(st.sampled_from("abcd"), VALUES)


@given(old=TABLES, new=TABLES)
@settings(max_examples=200, deadline=None)
def test_values_against_a_plain_comparison(old: dict[str, object], new: dict[str, object]) -> None:
    def key(value: object) -> str:
        """Equal for equal values; True is not 1, 1 is 1.0, NaN is itself."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return repr(float(value)) if number else repr(value)  # type: ignore[arg-type]

    expected = {
        k for k in old.keys() | new.keys()
        if (k in old) != (k in new) or key(old[k]) != key(new[k])
    }  # fmt: skip
    assert set(value_changes(old, new)) == expected  # type: ignore[arg-type]


def test_patch_folds_files_that_are_no_text(bench: Bench) -> None:
    bench.save({"model.py": "a\n", "data/0.png": b"\0a", "data/gone.png": b"\0b"})
    bench.remove("data/gone.png")
    bench.write({"model.py": "b\n", "data/0.png": b"\0c", "data/1.png": b"\0d"})
    assert list(bench.repo.patch(bench.repo.diff())) == [
        "--- a/model.py", "+++ b/model.py", "@@ -1 +1 @@", "-a", "+b",
        "data/0.png: binary files differ",
        "2 binary files added or deleted",
    ]  # fmt: skip
