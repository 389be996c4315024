"""The demo's training run: real data, a file that others can read, and a model that learns."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import sys
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from safetensors import safe_open
from safetensors.numpy import load, load_file

import mvc.demo
from mvc.demo.dataset import COLUMNS, SPECIES, read_flowers, split
from mvc.demo.network import Perceptron
from mvc.demo.tensorfile import NamedArray, replace_file, write_tensors
from mvc.demo.training import Hyperparameters, run_training

FROZEN = {"input.mean", "input.deviation", "first.weight", "first.bias", "second.weight"}
TRAINED = {"hidden.weight", "hidden.bias", "output.weight", "output.bias"}
FILES = {
    "data/iris.csv",
    "params.yaml",
    "model.py",
    "model.safetensors",
    "metrics.json",
    "train.log",
}

Snapshot = dict[str, bytes]


def train(directory: Path, iterations: int) -> tuple[list[Snapshot], list[Any]]:
    """All files, and the metrics handed over, as they stood at each callback."""
    snapshots: list[Snapshot] = []
    results: list[Any] = []

    def keep(iteration: int, metrics: dict[str, dict[str, float]]) -> None:
        assert iteration == len(snapshots) + 1
        snapshots.append(
            {
                path.relative_to(directory).as_posix(): path.read_bytes()
                for path in directory.rglob("*")
                if path.is_file()
            }
        )
        results.append(metrics)

    run_training(str(directory), iterations=iterations, on_iteration=keep)
    return snapshots, results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Snapshot], list[Any]]:
    return train(tmp_path_factory.mktemp("run"), 6)


def versions_of(snapshots: list[Snapshot], name: str) -> list[bytes]:
    """The distinct contents a file went through, in order."""
    contents = [snapshot[name] for snapshot in snapshots]
    return [content for i, content in enumerate(contents) if i == 0 or content != contents[i - 1]]


class TestDataset:
    def test_it_is_fishers_table(self) -> None:
        flowers = read_flowers(str(Path(mvc.demo.__file__).with_name("iris.csv")))
        assert [sum(f.species == s for f in flowers) for s in range(len(SPECIES))] == [50] * 3
        means = [fmean(f.measurements[i] for f in flowers) for i in range(len(COLUMNS))]
        assert [round(mean, 3) for mean in means] == [5.843, 3.057, 3.758, 1.199]
        # The two flowers that the UCI file has wrong.
        assert flowers[34].measurements == (4.9, 3.1, 1.5, 0.2)
        assert flowers[37].measurements == (4.9, 3.6, 1.4, 0.1)

    def test_split_is_balanced_complete_and_repeatable(self) -> None:
        flowers = read_flowers(str(Path(mvc.demo.__file__).with_name("iris.csv")))
        training, validation = split(flowers, validation_per_species=15, seed=3)
        assert sorted(training + validation) == sorted(flowers)
        assert [sum(f.species == s for f in validation) for s in range(3)] == [15] * 3
        assert (training, validation) == split(flowers, validation_per_species=15, seed=3)
        assert (training, validation) != split(flowers, validation_per_species=15, seed=4)


class TestTensorfile:
    @given(
        st.dictionaries(
            st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__"),
            st.lists(st.integers(0, 4), max_size=3).flatmap(
                lambda shape: st.tuples(
                    st.just(tuple(shape)),
                    st.lists(
                        st.floats(width=32),
                        min_size=math.prod(shape),
                        max_size=math.prod(shape),
                    ),
                )
            ),
            max_size=5,
        )
    )
    def test_the_safetensors_library_reads_it(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        tensors: dict[str, tuple[tuple[int, ...], list[float]]],
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.safetensors"
        write_tensors(str(path), {name: NamedArray(*tensor) for name, tensor in tensors.items()})
        content = path.read_bytes()
        assert int.from_bytes(content[:8], "little") % 8 == 0
        read = load(content)
        assert read.keys() == tensors.keys()
        for name, (shape, values) in tensors.items():
            assert read[name].dtype == np.float32
            assert read[name].shape == shape
            expected = np.array(values, np.float32).reshape(shape)
            np.testing.assert_array_equal(read[name], expected)

    def test_values_are_rounded_to_float32(self, tmp_path: Path) -> None:
        path = tmp_path / "one.safetensors"
        write_tensors(str(path), {"x": NamedArray((2,), [0.1, 1 / 3])})
        np.testing.assert_array_equal(load_file(path)["x"], np.array([0.1, 1 / 3], np.float32))

    @pytest.mark.parametrize(
        ("name", "tensor"),
        [
            ("x", NamedArray((2, 2), [1.0, 2.0, 3.0])),
            ("x", NamedArray((), [])),
            ("__metadata__", NamedArray((1,), [1.0])),
        ],
    )
    def test_what_the_format_cannot_hold_is_refused(
        self, tmp_path: Path, name: str, tensor: NamedArray
    ) -> None:
        path = tmp_path / "model.safetensors"
        path.write_bytes(b"old")
        with pytest.raises(ValueError, match=name):
            write_tensors(str(path), {name: tensor})
        assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
        assert path.read_bytes() == b"old"

    def test_a_failed_replacement_leaves_nothing_behind(self, tmp_path: Path) -> None:
        (tmp_path / "taken").mkdir()
        with pytest.raises(OSError):
            replace_file(str(tmp_path / "taken"), b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["taken"]

    def test_readers_of_the_old_file_keep_it(self, tmp_path: Path) -> None:
        path = tmp_path / "metrics.json"
        replace_file(str(path), b"old")
        with path.open("rb") as reader:
            replace_file(str(path), b"new, and longer")
            assert reader.read() == b"old"
        assert path.read_bytes() == b"new, and longer"


class TestNetwork:
    def network(self) -> Perceptron:
        flowers = read_flowers(str(Path(mvc.demo.__file__).with_name("iris.csv")))
        training, validation = split(flowers, validation_per_species=45, seed=1)
        return Perceptron(training, validation, hidden_units=3, seed=1)

    @pytest.mark.parametrize("skip", [False, True])
    def test_one_step_follows_the_numerical_gradient(self, skip: bool) -> None:
        """One full batch without momentum moves each weight by -lr * d(loss)/d(weight)."""
        network = self.network()
        if skip:
            network.add_skip()
        trained, lr, nudge = network._trained, 1e-3, 1e-5
        chosen = [(name, i, j) for name, rows in trained.items() for i, j in _corners(rows)]
        slopes = []
        for name, i, j in chosen:
            row, value = trained[name][i], trained[name][i][j]
            losses = []
            for row[j] in (value - nudge, value + nudge):
                losses.append(network.measure().train_loss)
            row[j] = value
            slopes.append((losses[1] - losses[0]) / (2 * nudge))
        before = [trained[name][i][j] for name, i, j in chosen]
        next(network.train(epochs=1, lr=lr, momentum=0.0, batch_size=15))
        steps = [
            (old - trained[name][i][j]) / lr
            for old, (name, i, j) in zip(before, chosen, strict=True)
        ]
        assert max(map(abs, slopes)) > 1e-2
        np.testing.assert_allclose(steps, slopes, rtol=1e-4, atol=1e-7)

    def test_momentum_carries_a_step_on(self) -> None:
        """With lr 0 the second time, the second step is the first one times the momentum."""
        network = self.network()
        bias = network._trained["output.bias"]
        start = list(bias[0])
        next(network.train(epochs=1, lr=0.01, momentum=0.9, batch_size=15))
        first = list(bias[0])
        next(network.train(epochs=1, lr=0.0, momentum=0.5, batch_size=15))
        np.testing.assert_allclose(
            np.subtract(bias[0], first), 0.5 * np.subtract(first, start), rtol=1e-9
        )

    def test_a_new_skip_changes_nothing_yet(self) -> None:
        network = self.network()
        next(network.train(epochs=1, lr=0.01, momentum=0.9, batch_size=15))
        before = network.measure()
        network.add_skip()
        assert network.measure() == before

    def test_epochs_are_trained_as_they_are_taken(self) -> None:
        network = self.network()
        before = network.tensors()
        epochs = network.train(epochs=2, lr=0.01, momentum=0.9, batch_size=5)
        assert network.tensors() == before
        first, second = next(epochs), next(epochs)
        assert second.train_loss < first.train_loss
        assert list(epochs) == []


def _corners(rows: list[list[float]]) -> set[tuple[int, int]]:
    return {(i, j) for i in (0, len(rows) - 1) for j in (0, len(rows[0]) - 1)}


class TestRun:
    def test_the_model_learns(self, run: tuple[list[Snapshot], list[Any]]) -> None:
        _, results = run
        assert results[-1]["val"]["accuracy"] > 0.93
        assert results[-1]["val"]["loss"] < results[0]["val"]["loss"] / 2
        losses = [result["train"]["loss"] for result in results]
        assert losses == sorted(losses, reverse=True)

    def test_each_iteration_leaves_the_same_files(
        self, run: tuple[list[Snapshot], list[Any]]
    ) -> None:
        snapshots, results = run
        assert [set(snapshot) for snapshot in snapshots] == [FILES] * 6
        assert [json.loads(snapshot["metrics.json"]) for snapshot in snapshots] == results
        epochs = Hyperparameters().epochs
        for iteration, snapshot in enumerate(snapshots, 1):
            lines = snapshot["train.log"].decode().splitlines()
            assert len(lines) == iteration * epochs
            assert lines[-1].endswith(f"{results[iteration - 1]['val']['accuracy']:.4f}")

    def test_each_part_changes_as_promised(self, run: tuple[list[Snapshot], list[Any]]) -> None:
        snapshots, _ = run
        counts = {name: len(versions_of(snapshots, name)) for name in FILES}
        assert counts == {
            "data/iris.csv": 1,
            "params.yaml": 2,
            "model.py": 2,
            "model.safetensors": 6,
            "metrics.json": 6,
            "train.log": 6,
        }
        source = Path(mvc.demo.__file__).with_name("iris.csv").read_bytes()
        assert snapshots[0]["data/iris.csv"] == source
        yaml = YAML(typ="safe", pure=True)
        old, new = (yaml.load(text) for text in versions_of(snapshots, "params.yaml"))
        assert old.keys() == {"lr", "momentum", "batch_size", "epochs", "hidden_units", "seed"}
        assert new == old | {"lr": old["lr"] / 2}

    def test_frozen_tensors_stay_and_trained_ones_move(
        self, run: tuple[list[Snapshot], list[Any]]
    ) -> None:
        models = [load(snapshot["model.safetensors"]) for snapshot in run[0]]
        for old, new in pairwise(models):
            assert {name for name in old if old[name].tobytes() == new[name].tobytes()} == FROZEN
            assert new.keys() >= old.keys() >= FROZEN | TRAINED
        assert models[-1].keys() - models[0].keys() == {"skip.weight"}
        size = {name: tensor.nbytes for name, tensor in models[0].items()}
        assert sum(size[name] for name in FROZEN) > 0.9 * sum(size.values())
        assert 100_000 < sum(size.values()) < 400_000

    def test_saved_model_and_source_give_the_saved_metrics(
        self, run: tuple[list[Snapshot], list[Any]], tmp_path: Path
    ) -> None:
        """A checked-out version is enough: model.py alone, on tensors read by another library."""
        parameters = Hyperparameters()
        for snapshot, result in zip(run[0], run[1], strict=True):
            (tmp_path / "iris.csv").write_bytes(snapshot["data/iris.csv"])
            (tmp_path / "model.safetensors").write_bytes(snapshot["model.safetensors"])
            with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
                tensors = {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118
            model: dict[str, Any] = {}
            exec(snapshot["model.py"], model)
            flowers = read_flowers(str(tmp_path / "iris.csv"))
            _, validation = split(flowers, validation_per_species=15, seed=parameters.seed)
            logits = np.array([model["logits"](tensors, f.measurements) for f in validation])
            species = [f.species for f in validation]
            chosen = logits[range(len(species)), species]
            loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)
            accuracy = np.mean(logits.argmax(axis=1) == species)
            assert loss == pytest.approx(result["val"]["loss"], abs=1e-5)
            assert accuracy == pytest.approx(result["val"]["accuracy"], abs=1e-6)
            assert model["SPECIES"] == SPECIES

    @pytest.mark.thorough
    def test_two_runs_are_equal(
        self, run: tuple[list[Snapshot], list[Any]], tmp_path: Path
    ) -> None:
        again = train(tmp_path / "made" / "by the run", 6)
        digests = [
            [
                {name: hashlib.sha256(data).hexdigest() for name, data in s.items()}
                for s in snapshots
            ]
            for snapshots in (run[0], again[0])
        ]
        assert digests[0] == digests[1]
        assert run[1] == again[1]

    @pytest.mark.parametrize(("iterations", "sources", "parameters"), [(1, 1, 1), (3, 2, 2)])
    def test_short_runs(
        self, tmp_path: Path, iterations: int, sources: int, parameters: int
    ) -> None:
        snapshots, _ = train(tmp_path, iterations)
        assert len(snapshots) == iterations
        assert len(versions_of(snapshots, "model.py")) == sources
        assert len(versions_of(snapshots, "params.yaml")) == parameters

    def test_a_callback_that_raises_ends_the_run(self, tmp_path: Path) -> None:
        seen: list[int] = []

        def stop(iteration: int, metrics: object) -> None:
            seen.append(iteration)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_training(str(tmp_path), iterations=3, on_iteration=stop)
        assert seen == [1]

    def test_no_iterations_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="0 iterations"):
            run_training(str(tmp_path / "new"), iterations=0, on_iteration=lambda i, m: None)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["__init__", "architecture", "dataset", "network", "tensorfile", "training"]
)
def test_it_needs_nothing_but_python(name: str) -> None:
    source = Path(mvc.demo.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules = [node.module or ""]
        for module in modules:
            own = module.startswith("mvc.demo.")
            assert own or module.split(".")[0] in sys.stdlib_module_names, module
