"""`mvc.live.Live`: DVCLive's calls and files, and a version at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mvc
from mvc.live import Live, plots
from mvc.live.forms import read_yaml
from mvcd.inspect.lastrows import MAX_POINTS_VALUES
from tests.daemon.daemons import Daemon, short_directory
from tests.support.workspace import Bench, experiment_without_daemon


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with experiment_without_daemon(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of no workspace, where we are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def head(bench: Bench) -> Any:
    core = bench.repo._core
    return core.version(core.head().version)


def test_a_run_is_a_version_at_its_end(bench: Bench) -> None:
    with Live("runs/1", exp_message="wider") as live:
        live.log_param("lr", 0.1)
        live.log_params({"opt": {"betas": (0.9, 0.99)}, "name": "resnet"})
        for epoch in range(3):
            live.log_metric("train/loss", 1 / (epoch + 1))
            live.log_metric("acc", np.float32(epoch / 4), timestamp=True)
            live.log_metric("note", "fine", plot=False)
            live.next_step()
        live.end()
        assert live.version is None, "the end of the block is the end"
    assert live.version == bench.repo._core.head().version.hex()
    last = head(bench)
    assert last.message.splitlines()[0] == "wider"
    assert last.metrics == {"acc": 0.5, "note": "fine", "train.loss": 1 / 3, "step": 2}
    assert last.hyperparameters == {
        "lr": 0.1, "opt.betas.0": 0.9, "opt.betas.1": 0.99, "name": "resnet",
    }  # fmt: skip
    (loss,) = bench.repo.series(["train.loss"], steps=True)
    assert [(p.step, p.value) for p in loss.points] == [(0, 1), (1, 0.5), (2, 1 / 3)]
    (acc,) = bench.repo.series(["acc"], steps=True)
    assert [(p.step, p.value) for p in acc.points] == [(0, 0), (1, 0.25), (2, 0.5)]


def test_the_files_are_dvclives(place: Path) -> None:
    live = Live("d")
    live.log_metric("acc", 0.5, timestamp=True)
    live.log_metric("train/loss", 2)
    live.next_step()
    live.log_metric("train/loss", float("nan"))
    live.next_step()
    live.end()
    acc = (place / "d/plots/metrics/acc.tsv").read_text().splitlines()
    assert acc[0] == "timestamp\tstep\tacc"
    assert acc[1].split("\t")[1:] == ["0", "0.5"] and len(acc[1].split("\t")[0]) == 13
    assert (place / "d/plots/metrics/train/loss.tsv").read_text() == "step\tloss\n0\t2\n1\tnan\n"
    text = (place / "d/metrics.json").read_text()
    assert json.loads(text) == {"acc": 0.5, "train": {"loss": "nan"}, "step": 1}
    assert text.startswith('{\n    "acc"')
    assert live.version is None, "there is no repository"


def test_a_resumed_run_goes_on(place: Path) -> None:
    first = Live("d")
    first.log_params({"lr": 0.1})
    for value in (5, 4):
        first.log_metric("loss", value)
        first.next_step()
    first.log_metric("loss", 3)  # and killed: no summary of it
    second = Live("d", resume=True)
    assert second.step == 2 and second.read_step() == 1
    second.log_param("seed", 7)
    second.log_metric("loss", 3.5)
    second.end()
    assert (place / "d/plots/metrics/loss.tsv").read_text() == (
        "step\tloss\n0\t5\n1\t4\n2\t3\n2\t3.5\n"
    )
    assert read_yaml("d/params.yaml") == {"lr": 0.1, "seed": 7}
    assert Live("nothing", resume=True).step == 0


def test_a_new_run_begins_without_the_files_of_the_one_before_and_loses_nothing(
    bench: Bench,
) -> None:
    live = Live("d")
    live.log_metric("loss", 0.25)
    live.log_plot("points", [{"a": 1, "b": 2}], x="a", y="b")
    live.make_summary()  # and killed
    bench.write({"d/mine.txt": "kept"})
    live = Live("d")
    assert sorted(p.relative_to(bench.root).as_posix() for p in Path(bench.path("d")).rglob("*")) == [
        "d/mine.txt", "d/plots",
    ]  # fmt: skip
    last = head(bench)
    assert last.metrics == {"loss": 0.25}
    assert last.message.startswith("Results that were in d before a new run")
    live.log_metric("loss", 0.5)
    live.end()
    assert head(bench).metrics == {"loss": 0.5}


def test_an_untracked_directory_is_put_under_care(bench: Bench, tmp_path: Path) -> None:
    with Bench(tmp_path / "other") as other:
        other.write({"train.py": "pass\n", "model.bin": "w", "notes.txt": "mine"})
        other.add("train.py")
        other.commit()
        live = Live(other.path("d"))
        live.log_metric("loss", 1)
        live.log_artifact(other.path("model.bin"), type="model", desc="the best", name="net")
        live.end()
        files = sorted(file.path for file in other.repo.ls("HEAD"))
        assert files == [
            "d/dvc.yaml", "d/metrics.json", "d/plots/metrics/loss.tsv", "model.bin", "train.py",
        ]  # fmt: skip
        assert read_yaml(other.path("d/dvc.yaml")) == {
            "metrics": ["metrics.json"], "plots": [{"plots/metrics": {"x": "step"}}],
            "artifacts": {"net": {"path": "../model.bin", "type": "model", "desc": "the best"}},
        }  # fmt: skip


def test_a_run_that_fails_is_told(bench: Bench) -> None:
    with pytest.raises(KeyError), Live("d") as live:
        live.log_metric("loss", 1)
        raise KeyError("x")
    assert head(bench).message.splitlines()[0] == "Run in d, ended by KeyError"
    assert head(bench).metrics == {"loss": 1}


def test_without_save_dvc_exp_there_is_no_version(bench: Bench) -> None:
    with Live("d", save_dvc_exp=False, dvcyaml=False, cache_images=True) as live:
        live.log_metric("loss", 1)
    assert live.version is None and head(bench).generation == 1
    assert not Path("d/dvc.yaml").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"report": "html"},
        {"exp_name": "x"},
        {"monitor_system": True},
        {"dvcyaml": "sub/dvc.yaml"},
    ],
)
def test_what_mvc_does_otherwise_is_refused(place: Path, options: dict[str, Any]) -> None:
    with pytest.raises(mvc.UsageError, match=r"mvc\.live has no ") as refused:
        Live("d", **options)
    assert refused.value.help and not Path("d").exists()


def test_unknown_options_are_refused(place: Path) -> None:
    with pytest.raises(TypeError, match="exp_nam"):
        Live(exp_nam="x")  # type: ignore[call-arg]


def test_what_is_no_metric_is_refused(place: Path) -> None:
    live = Live("d")
    for bad in ({"a": 1}, [1], None, object()):
        with pytest.raises(mvc.UsageError, match="the metric 'x' is"):
            live.log_metric("x", bad)
    for name in ("", "..", "../x", "/x", "a\0"):
        with pytest.raises(mvc.UsageError, match="is no name"):
            live.log_metric(name, 1)
    live.log_metric("a", 1)
    live.log_metric("b/c", 1)
    for name in ("a/b", "b"):
        with pytest.raises(mvc.UsageError, match="can't be one"):
            live.log_metric(name, 1)
    with pytest.raises(mvc.UsageError, match="no column timestamp"):
        live.log_metric("a", 1, timestamp=True)
    assert live.summary == {"a": 1, "b": {"c": 1}}


def test_plots_are_rows_and_how_to_draw_them(place: Path) -> None:
    live = Live("d")
    live.log_plot("a", [{"x": np.int64(1), "y": 2.5}], x="x", y="y", title="A", template=None)
    live.log_plot("b.json", np.array([(1, 2.0)], dtype=[("x", int), ("y", float)]), x="x", y="y")
    live.log_plot("c", np.array([[1, 2]]), x="0", y="1")
    live.log_sklearn_plot("confusion_matrix", [1, 0], np.array([1, 1]), name="m", normalized=True)
    live.end()

    def written(name: str) -> object:
        return json.loads((place / "d/plots" / name).read_text())

    assert written("custom/a.json") == [{"x": 1, "y": 2.5}]
    assert written("custom/b.json") == [{"x": 1, "y": 2.0}]
    assert written("custom/c.json") == [{"0": 1, "1": 2}]
    assert written("sklearn/m.json") == [
        {"actual": "1", "predicted": "1"}, {"actual": "0", "predicted": "1"},
    ]  # fmt: skip
    drawn = read_yaml("d/dvc.yaml")["plots"]
    assert drawn[0] == {"plots/custom/a.json": {"x": "x", "y": "y", "title": "A"}}
    assert drawn[1] == {"plots/custom/b.json": {"template": "linear", "x": "x", "y": "y"}}
    assert drawn[3]["plots/sklearn/m.json"]["template"] == "confusion_normalized"
    with pytest.raises(mvc.UsageError, match="not made of rows"):
        live.log_plot("d", "text", x="a", y="b")
    with pytest.raises(mvc.UsageError, match="there is no plot 'pie'"):
        live.log_sklearn_plot("pie", [], [])
    with pytest.raises(mvc.UsageError, match="normalized is about"):
        live.log_sklearn_plot("roc", [], [], normalized=True)


class Sklearn:
    """What the functions of scikit-learn answer: arrays, of which the last may be shorter."""

    @staticmethod
    def precision_recall_curve(labels: Any, predictions: Any, **options: Any) -> Any:
        assert (list(labels), list(predictions), options) == ([0, 1], [0.2, 0.7], {"pos_label": 1})
        return np.array([0.5, 1.0, 1.0]), np.array([1.0, 1.0, 0.0]), np.array([0.2, 0.7])


def test_curves_come_from_scikit_learn(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", type("M", (), {"metrics": Sklearn}))
    live = Live("d")
    live.log_sklearn_plot("precision_recall", [0, 1], [0.2, 0.7], pos_label=1, y_label="p")
    assert json.loads((place / "d/plots/sklearn/precision_recall.json").read_text()) == {
        "precision_recall": [
            {"precision": 0.5, "recall": 1.0, "threshold": 0.2},
            {"precision": 1.0, "recall": 1.0, "threshold": 0.7},
        ]
    }
    assert live._plots["plots/sklearn/precision_recall.json"]["y_label"] == "p"


@pytest.mark.parametrize("kind", sorted(plots._CURVES))
def test_without_scikit_learn_it_says_what_to_install(
    place: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.calibration", None)
    with pytest.raises(mvc.UsageError) as refused:
        Live("d").log_sklearn_plot(kind, [0], [0])
    assert refused.value.help == "pip install scikit-learn"


class Figure:
    def savefig(self, path: str) -> None:
        Path(path).write_bytes(b"a figure")


class Pillow:
    def save(self, path: str) -> None:
        Path(path).write_bytes(b"an image")


def test_images(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live("d")
    (place / "in.png").write_bytes(b"a file")
    live.log_image("f/a", place / "in.png")
    live.log_image("b.PNG", str(place / "in.png"))
    live.log_image("c.jpg", Figure())
    live.log_image("d.gif", Pillow())
    live.end()
    images = place / "d/plots/images"
    assert {p.relative_to(images).as_posix(): p.read_bytes() for p in images.rglob("*.*")} == {
        "f/a.png": b"a file", "b.PNG": b"a file", "c.jpg": b"a figure", "d.gif": b"an image",
    }  # fmt: skip
    assert read_yaml("d/dvc.yaml")["plots"] == ["plots/images"]
    with pytest.raises(mvc.UsageError, match="is no name of an image"):
        live.log_image("x.txt", Figure())
    with pytest.raises(mvc.UsageError, match="is no image"):
        live.log_image("x.png", 7)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for image in (np.zeros((2, 2), np.uint8), place / "in.jpg"):
        with pytest.raises(mvc.UsageError) as refused:
            live.log_image("x.png", image)
        assert refused.value.help == "pip install pillow"


def test_artifacts_are_in_the_workspace_or_copied(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "model"
    outside.mkdir()
    (outside / "w.bin").write_bytes(b"weights")
    live = Live("d")
    with pytest.raises(mvc.UsageError, match="is outside the workspace") as refused:
        live.log_artifact(outside)
    assert refused.value.help == "copy=True"
    with pytest.raises(mvc.UsageError, match="there is no gone"):
        live.log_artifact("gone")
    with pytest.raises(mvc.UsageError, match="cache=False"):
        live.log_artifact("train.py", cache=False)  # type: ignore[arg-type]
    for _ in range(2):
        live.log_artifact(outside, meta={"n": 1}, labels=["best"], copy=True)
    live.log_artifact("train.py", copy=True)
    live.end()
    assert Path("d/artifacts/model/w.bin").read_bytes() == b"weights"
    assert read_yaml("d/dvc.yaml")["artifacts"] == {
        "model": {"path": "artifacts/model", "labels": ["best"], "meta": {"n": 1}}
    }
    assert "d/artifacts/train.py" in [file.path for file in bench.repo.ls("HEAD")]
    assert "artifacts.model.path" not in head(bench).metrics


LONG = """
import sys
from mvc.live import Live
live = Live(sys.argv[1])
for step in range(10**9):
    live.log_metric("loss", step / 2)
    live.log_metric("pad", "x" * 3000)
    live.next_step()
    if step == 20:
        print("running", flush=True)
"""


def test_kill_9_leaves_whole_files(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LONG, "d"], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"running\n"
        program.kill()
    rows = (place / "d/plots/metrics/loss.tsv").read_text().splitlines()
    assert 20 < len(rows) < MAX_POINTS_VALUES
    assert rows[1:] == [f"{step}\t{step / 2}" for step in range(len(rows) - 1)]
    step = json.loads((place / "d/metrics.json").read_text())["step"]
    assert len(rows) - 3 <= step <= len(rows) - 2
    assert Live("d", resume=True).step == step + 1


def test_a_daemon_makes_the_version_where_one_watches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"mvc.toml": "[watch]\nsettle = 3600\n"})
    with short_directory() as places, Daemon(places) as daemon:
        monkeypatch.setenv("MVC_RUNTIME_DIR", daemon.environment["MVC_RUNTIME_DIR"])
        daemon.watch(bench)
        with Live("d", exp_message="wider") as live:
            live.log_metric("loss", 1)
            live.next_step()
            live.log_metric("loss", 0.5)
        assert live.version == bench.repo._core.head().version.hex()
    assert head(bench).message.splitlines()[0] == "wider"
    assert head(bench).trigger.name == "AUTO"
    assert head(bench).metrics == {"loss": 0.5, "step": 1}
    (loss,) = bench.repo.series(["loss"], steps=True)
    assert [(p.step, p.value) for p in loss.points] == [(0, 1), (1, 0.5)]
