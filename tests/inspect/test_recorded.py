"""What a file of a training run records: real files of the libraries, and the forms that they document."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.components import ComponentRules
from mvcd.inspect.recorded import Recorded, read, records
from mvcd.objects.version import Component
from tests.inspect.test_tfevents import event

DATA = Path(__file__).parent / "data" / "recorded"
RUN = "0123456789abcdef0123456789abcdef"


def recorded(path: str, data: str | bytes, wanted: str | None = None) -> Recorded:
    """As of a file that lies at `path`, which must be one that is read."""
    content = data.encode() if isinstance(data, str) else data
    component = ComponentRules.default().component_of(path)
    assert records(component, path), (path, component)
    return read(component, path, io.BytesIO(content), len(content), wanted)


def real(name: str, path: str | None = None) -> Recorded:
    found = recorded(path or name, (DATA / name).read_bytes())
    assert found.problem is None
    return found


def test_the_state_of_a_trainer() -> None:
    found = real("trainer_state.json", "out/checkpoint-4/trainer_state.json")
    state = json.loads((DATA / "trainer_state.json").read_text())
    last = {k: v for entry in state["log_history"] for k, v in entry.items()}
    assert found.metrics == last
    assert found.metrics["eval_loss"] == 1.3645459413528442
    assert found.settings["num_train_epochs"] == 2


def test_a_trainer_that_logged_every_step() -> None:
    entries = [{"epoch": n / 1e3, "loss": 1 / (n + 1), "step": n} for n in range(200_000)]
    entries.insert(5, {"eval_loss": 0.5, "step": 5})
    state = {"best_metric": 0.5, "log_history": entries, "max_steps": 200_000}
    data = json.dumps(state, indent=2)
    assert len(data) > 8 << 20
    found = recorded("trainer_state.json", data, wanted="eval_loss")
    assert found.problem is None
    assert found.metrics["loss"] == 1 / 200_000
    assert (found.metrics["eval_loss"], found.metrics["best_metric"]) == (0.5, 0.5)
    assert found.points == ((5, 0.5),)


def test_the_arguments_of_a_trainer() -> None:
    found = real("training_args.bin", "out/checkpoint-4/training_args.bin").settings
    assert found["learning_rate"] == 0.01
    assert found["lr_scheduler_type"] == "linear"
    assert found["num_train_epochs"] == 2
    assert found["per_device_train_batch_size"] == 8
    assert not any(key.startswith("_") for key in found)


def test_what_lightning_writes() -> None:
    metrics = real("metrics.csv", "lightning_logs/version_0/metrics.csv").metrics
    assert metrics == {
        "epoch": 1, "step": 3, "train_loss": 0.12229202687740326, "val_loss": 0.06187983602285385,
    }  # fmt: skip
    settings = real("hparams.yaml", "lightning_logs/version_0/hparams.yaml").settings
    assert settings == {"lr": 0.1, "optimizer": "torch.optim.sgd.SGD"}


def test_event_files_hold_metrics_and_settings() -> None:
    assert real("events.out.tfevents.0", "runs/events.out.tfevents.0").metrics["val/acc"] == 0.9
    assert real("events.out.tfevents.1", "runs/events.out.tfevents.1").settings["opt"] == "adam"


FORMS = {
    f"mlruns/0/{RUN}/metrics/val/loss": (
        "1700000000000 0.5 1\n1700000001000 0.25 2\n", {}, {"val/loss": 0.25, "step": 2},
    ),
    f"mlruns/0/{RUN}/params/lr": ("0.001", {"lr": 0.001}, {}),
    f"mlruns/0/{RUN}/params/name": ("None", {"name": "None"}, {}),
    "wandb/run-20240101_120000-abc/files/wandb-summary.json": (
        '{"val": {"loss": 0.5}, "_step": 9, "_wandb": {"runtime": 3}}', {}, {"val.loss": 0.5, "_step": 9},
    ),
    "wandb/run-20240101_120000-abc/files/config.yaml": (
        "wandb_version: 1\n_wandb:\n  value: {cli_version: 1}\nlr:\n  desc: null\n  value: 0.1\n",
        {"lr": 0.1}, {},
    ),
    "outputs/2024-01-01/12-00-00/.hydra/config.yaml": (
        "lr: 0.1\nopt: {lr: '${lr}', name: 'adam-${lr}'}\nout: ${now:%Y}\n",
        {"lr": 0.1, "opt.lr": 0.1, "opt.name": "adam-0.1", "out": "${now:%Y}"}, {},
    ),
    "outputs/2024-01-01/12-00-00/.hydra/overrides.yaml": (
        "- lr=0.1\n- +model.depth=3\n- ~data\n",
        {"overrides.lr": 0.1, "overrides.model.depth": 3, "overrides.~data": ""}, {},
    ),
    "outputs/2024-01-01/12-00-00/.hydra/hydra.yaml": ("hydra: {run: {dir: x}}", {}, {}),
    "out/generation_config.json": ('{"temperature": 0.7}', {"generation_config.temperature": 0.7}, {}),
    "out/checkpoint-5/generation_config.json": (
        '{"_from_model_config": true, "eos_token_id": 50256, "transformers_version": "5.24.0"}', {}, {},
    ),
    "base/generation_config.json": (
        '{"top_p": 0.9, "transformers_version": "5.24.0"}', {"generation_config.top_p": 0.9}, {},
    ),
    "args.json": ('{"lr": 0.1, "model": {"depth": 3}}', {"lr": 0.1, "model.depth": 3}, {}),
    "train.ini": ("seed = 3\n[opt]\nLR = 1e-3\nnames = [\"a\", 2]\nfast\n",
        {"seed": 3, "opt.LR": 0.001, "opt.names.0": "a", "opt.names.1": 2, "opt.fast": True}, {}),
    "config.cfg": ('[training.optimizer]\nlr = 0.1\nlang = "en"\n',
        {"training.optimizer.lr": 0.1, "training.optimizer.lang": "en"}, {}),
    "dvclive/metrics.json": ('{"train": {"loss": 0.5}, "step": 3}', {}, {"train.loss": 0.5, "step": 3}),
    "dvclive/params.yaml": ("lr: 0.1\n", {"lr": 0.1}, {}),
    "dvclive/plots/metrics/train/loss.tsv": ("step\tloss\n1\t0.5\n", {}, {"train.loss": 0.5}),
    "runs/1/plots/metrics/acc.tsv": ("timestamp\tstep\tacc\n1700000000000\t1\t0.5\n", {}, {"acc": 0.5}),
    "plots/metrics/mine.tsv": ("step\tloss\tacc\n1\t0.5\t1\n", {}, {"step": 1, "loss": 0.5, "acc": 1}),
    "runs/1/plots/sklearn/roc.json": ('{"roc": [{"fpr": 0.0, "tpr": 0.5}]}', {}, {}),
    "metrics.steps.jsonl": ('{"step": 1, "timestamp": 1700000000000, "loss": 2}\n', {}, {}),
    "out/all_results.json": ('{"eval_loss": 0.5}', {}, {"eval_loss": 0.5}),
    "output/metrics.json": ('{"bbox/AP": 0.3, "iteration": 9}\n{"total_loss": 0.1, "iteration": 19}\n', {},
        {"bbox/AP": 0.3, "total_loss": 0.1, "iteration": 19}),
    "logs/progress.csv": ("time/fps,rollout/ep_rew_mean\n100,\n,1.5\n", {},
        {"time/fps": 100, "rollout/ep_rew_mean": 1.5}),
}  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
def test_documented_forms(path: str) -> None:
    data, settings, metrics = FORMS[path]
    if not records(ComponentRules.default().component_of(path), path):
        assert not settings and not metrics
        return
    found = recorded(path, data)
    assert found.problem is None
    assert (dict(found.settings), dict(found.metrics)) == (settings, metrics)


READ = [
    *(p for p in FORMS if any(FORMS[p][1:])),
    *map(str, DATA.iterdir()),
]


@pytest.mark.parametrize("path", [path.rpartition("recorded/")[2] for path in READ])
def test_what_can_not_be_read_gives_a_reason_and_never_an_error(path: str) -> None:
    wrong = (
        b"{\xff\xfe",
        b"[1",
        b"\x80\x02K\x01.",
        bytes(100),
        b"a: [",
        b"PK\x03\x04" + bytes(200),
    )
    for data in wrong:
        found = recorded(path, data)
        assert found.problem is None or isinstance(found.problem, str)
    assert recorded(path, b"\xff\xfe{[" * 20).problem


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(p.name for p in DATA.iterdir())), st.randoms(use_true_random=False))
def test_damaged_files_of_libraries_are_read_or_told(name: str, chance: random.Random) -> None:
    data = bytearray((DATA / name).read_bytes())
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    found = recorded(name, bytes(data[: chance.randrange(len(data) + 1)] or b"0"))
    assert found.problem is None or isinstance(found.problem, str)


def test_nothing_is_read_of_other_components_or_of_rows_that_are_no_metrics() -> None:
    assert not records(Component.DATA, "a/metrics.csv")
    for path in (
        "results/predictions.csv",
        "wandb/x/files/wandb-metadata.json",
        "mlruns/0/meta.yaml",
    ):
        assert not records(Component.RESULTS, path)


@pytest.mark.parametrize(("value", "kept"), [(-1.0, {}), (0.5, {"hp_metric": 0.5})])
def test_a_metric_that_lightning_was_not_given_is_none(
    value: float, kept: dict[str, float]
) -> None:
    found = recorded("logs/version_0/events.out.tfevents.1.host", event(0, ("hp_metric", value)))
    assert {key: value for key, value in found.metrics.items() if key != "step"} == kept
