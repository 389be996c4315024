"""Of which run a file is, and which of several runs is the newest."""

from __future__ import annotations

import pytest

from mvcd.inspect.runfiles import RunFile, kind_of, mlflow_key, place_of, run_of

RUN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("older", "newer", "source"),
    [
        ("out/checkpoint-500/trainer_state.json", "out/checkpoint-1000/trainer_state.json",
         "out/checkpoint-*/trainer_state.json"),
        ("lightning_logs/version_9/metrics.csv", "lightning_logs/version_10/metrics.csv",
         "lightning_logs/version_*/metrics.csv"),
        ("outputs/2024-01-01/12-00-00/metrics.json", "outputs/2024-01-02/09-00-00/metrics.json",
         "outputs/*/*/metrics.json"),
        ("wandb/run-20240101_120000-zz/files/wandb-summary.json",
         "wandb/run-20240102_090000-aa/files/wandb-summary.json", "wandb/run-*/files/wandb-summary.json"),
        ("out/runs/Nov28_21-28-45_host/events.out.tfevents.1700000000.h.1.0",
         "out/runs/Nov29_01-00-00_host/events.out.tfevents.1700090000.h.1.0",
         "out/runs/*/events.out.tfevents"),
        ("ckpt/epoch=9/metrics.json", "ckpt/epoch=10/metrics.json", "ckpt/epoch=*/metrics.json"),
    ],
)  # fmt: skip
def test_runs_that_count_up_are_one_source(older: str, newer: str, source: str) -> None:
    old, new = place_of(older), place_of(newer)
    assert old.source == new.source == source
    assert old.order < new.order and old.member != new.member


@pytest.mark.parametrize(
    ("older", "newer", "family"),
    [
        ("logs/version_9/events.out.tfevents.1.h", "logs/version_10/metrics.csv", "logs/version_*"),
        ("outputs/2024-01-01/12-00-00/.hydra/config.yaml", "outputs/2024-01-01/13-00-00/m.json", "outputs/*/*"),
        ("runs/Nov28_21-28-45_host/a.json", "runs/Dec01_01-00-00_host/b.json", "runs/*"),
        ("version_1/x/checkpoint-9/a.json", "version_2/a.json", "version_*"),
    ],
)  # fmt: skip
def test_files_of_other_names_may_be_of_newer_runs(older: str, newer: str, family: str) -> None:
    (of_older, before), (of_newer, after) = run_of(older), run_of(newer)
    assert of_older == of_newer == family
    assert before < after
    assert run_of("fold-1/metrics.json") == run_of("version_1") == ("", ())


def test_other_files_are_sources_of_their_own() -> None:
    for path in ("metrics.json", "fold-1/metrics.json", "exp2/metrics.json", "a/metrics_500.json"):
        place = place_of(path)
        assert (place.source, place.member, place.order) == (path, path, ())


def test_a_run_of_mlflow_is_one_member() -> None:
    places = [
        place_of(f"x/mlruns/1/{RUN}/{rest}") for rest in ("metrics/a", "params/b", "metrics/c/d")
    ]
    assert {(p.source, p.member) for p in places} == {("x/mlruns/1/*", f"x/mlruns/1/{RUN}")}
    assert mlflow_key(f"mlruns/1/{RUN}/metrics/Val/Loss") == "Val/Loss"
    assert kind_of(f"mlruns/1/{RUN}/metrics/a") is RunFile.MLFLOW_METRIC
    assert kind_of(f"mlruns/1/{RUN}/tags/a") is RunFile.NOTHING
    assert kind_of("metrics.csv") is None
