"""A metric over the steps of one version's training, from each kind of file that keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvcd.repo.history.curve import history
from tests.support.workspace import Bench

DATA = Path(__file__).parents[2] / "inspect" / "data" / "recorded"
TRAINER = {"loss": [1, 2, 3, 4], "eval_loss": [2, 4]}


def steps(bench: Bench, metric: str) -> list[float]:
    core = bench.repo._core
    return [step for step, _ in history(core, core.version(core.head().version), metric)]


@pytest.mark.parametrize(
    ("path", "data", "metric", "found"),
    [
        ("metrics.csv", "step,loss,acc\n10,2,\n20,,1\n30,1,\n", "loss", [10, 30]),
        ("log.jsonl", '{"epoch":1,"loss":2}\n{"epoch":2,"loss":1}\n', "loss", [1, 2]),
        ("m/history.json", '{"loss": [3, 2, 1]}', "loss", [1, 2, 3]),
        ("metrics.json", '{"loss": 1}', "loss", []),
        ("metrics.csv", "step,loss\n1,2\n", "acc", []),
    ],
)
def test_forms(bench: Bench, path: str, data: str, metric: str, found: list[float]) -> None:
    bench.save({path: data})
    assert steps(bench, metric) == found
    assert steps(bench, f"metrics.{metric}") == found


def test_files_of_libraries(bench: Bench) -> None:
    bench.save({
        "out/checkpoint-4/trainer_state.json": (DATA / "trainer_state.json").read_bytes(),
        "tb/events.out.tfevents.1700000000.h.1.0": (DATA / "events.out.tfevents.0").read_bytes(),
        f"mlruns/0/{'a' * 32}/metrics/val/f1": "1 0.5 7\n2 0.6 9\n",
        "dvclive/metrics.json": '{"train": {"auc": 0.5}}',
        "dvclive/plots/metrics/train/auc.tsv": "step\tauc\n5\t0.4\n6\t0.5\n",
    })  # fmt: skip
    for metric, found in TRAINER.items():
        assert steps(bench, metric) == found
    assert steps(bench, "train/loss") == [0, 10, 20, 30, 40]
    assert steps(bench, "val/f1") == [7, 9]
    assert steps(bench, "train.auc") == [5, 6]


def of_dvclive(directory: str) -> dict[str, bytes | str]:
    """What dvclive 3.49.1 leaves of two steps: `log_metric("acc", timestamp=True)`, `log_metric("train/loss")`,
    `log_plot`, `log_sklearn_plot`, `log_params`, `next_step`."""
    summary = {"acc": 0.75, "train": {"loss": 0.5}, "step": 1}
    rows = ("timestamp\tstep\tacc", "1764400000000\t0\t0.5", "1764400001000\t1\t0.75", "")
    return {
        f"{directory}/metrics.json": json.dumps(summary, indent=4) + "\n",
        f"{directory}/params.yaml": "lr: 0.1\n",
        f"{directory}/plots/metrics/acc.tsv": "\n".join(rows),
        f"{directory}/plots/metrics/train/loss.tsv": "step\tloss\n0\t0.9\n1\t0.5\n",
        f"{directory}/plots/custom/points.json": '[{"step": 1, "y": 2}, {"step": 2, "y": 3}]',
        f"{directory}/plots/sklearn/roc.json": '{"roc": [{"fpr": 0.0, "tpr": 0.5, "threshold": 1}]}',
    }


@pytest.mark.parametrize("directory", ["dvclive", "runs/7", "models/a", "results"])
def test_a_directory_of_dvclives_whatever_its_name(bench: Bench, directory: str) -> None:
    """Not a metric for each path, and neither `timestamp` nor `step` of each file."""
    bench.save(of_dvclive(directory))
    core = bench.repo._core
    last = core.version(core.head().version)
    assert last.metrics == {"acc": 0.75, "train.loss": 0.5, "step": 1}
    assert last.hyperparameters == {"lr": 0.1}
    assert history(core, last, "acc") == ((0, 0.5), (1, 0.75))
    assert history(core, last, "train.loss") == ((0, 0.9), (1, 0.5))


def test_dvclive_without_its_summary_keeps_the_names(bench: Bench) -> None:
    files = of_dvclive("dvclive")
    del files["dvclive/metrics.json"]
    bench.save(files)
    core = bench.repo._core
    assert core.version(core.head().version).metrics == {"acc": 0.75, "train.loss": 0.5}
    assert steps(bench, "train.loss") == [0, 1]


def test_a_metric_whose_name_has_a_dot_and_a_slash(bench: Bench) -> None:
    bench.save({
        "dvclive/metrics.json": '{"val": {"top.5": 0.5}, "step": 1}',
        "dvclive/plots/metrics/val/top.5.tsv": "step\ttop.5\n0\t0.25\n1\t0.5\n",
    })  # fmt: skip
    assert steps(bench, "val.top.5") == [0, 1]


def test_steps_are_those_of_the_newest_run_alone(bench: Bench) -> None:
    older, newer = f"mlruns/0/{'b' * 32}", f"mlruns/0/{'a' * 32}"
    bench.save({f"{older}/metrics/loss": "10 0.5 1\n20 0.4 2\n30 0.3 3\n"})
    bench.save({f"{newer}/metrics/loss": "40 0.7 1\n50 0.6 2\n"})
    core = bench.repo._core
    found = history(core, core.version(core.head().version), "loss")
    assert found == ((1, 0.7), (2, 0.6))


def test_a_file_with_the_last_value_alone_leaves_the_steps_to_one_that_says_the_same(
    bench: Bench,
) -> None:
    state = {"log_history": [{"step": s, "eval_loss": v} for s, v in ((5, 0.5), (9, 0.25))]}
    bench.save({
        "out/checkpoint-9/trainer_state.json": json.dumps(state),
        "out/eval_results.json": '{"eval_loss": 0.25}',
    })  # fmt: skip
    assert steps(bench, "eval_loss") == [5, 9]
    bench.save({"out/eval_results.json": '{"eval_loss": 0.75}'})
    assert steps(bench, "eval_loss") == [], "another evaluation is not the end of that curve"


def test_the_source_of_a_name_is_the_records(bench: Bench) -> None:
    bench.save({"b.jsonl": "", "b/metrics.csv": "step,loss\n1,2\n2,1\n"})
    bench.save({"a/metrics.csv": "step,loss\n7,2\n8,1\n9,0\n"})
    assert steps(bench, "loss") == [1, 2]
    assert steps(bench, "a/metrics.csv:loss") == [7, 8, 9]


def test_series_over_steps_are_those_of_the_newest_version(bench: Bench) -> None:
    bench.save({"metrics.csv": "step,loss\n1,9\n"})
    bench.save({"metrics.csv": "step,loss\n1,9\n2,4\n3,nan\n4,1\n", "extra.json": json.dumps({})})
    (found,) = bench.repo.series(["loss"], steps=True)
    assert [(p.number, p.step, p.value) for p in found.points] == [(2, 1, 9), (2, 2, 4), (2, 4, 1)]
    (found,) = bench.repo.series(["loss"])
    assert [p.number for p in found.points] == [1, 2]
