"""What a version's record says of its files: whose names are short, what is told, and that no size hides it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.objects.version import Value
from mvcd.repo.contents import flatvalues, problems
from tests.support.workspace import Bench

DATA = Path(__file__).parents[2] / "inspect" / "data" / "recorded"


def metrics(bench: Bench, rev: str = "HEAD") -> dict[str, Value]:
    return dict(bench.repo.show(rev).version.metrics)


def settings(bench: Bench, rev: str = "HEAD") -> dict[str, Value]:
    return dict(bench.repo.show(rev).version.hyperparameters)


def loss(value: float, **more: float) -> str:
    return json.dumps({"loss": value, **more})


# ---------------------------------------------------------------- one name, one source


def test_a_short_name_stays_with_the_file_that_had_it(bench: Bench) -> None:
    bench.save({"runs/b/metrics.json": loss(2)})
    bench.save({"metrics.json": loss(1), "runs/a/metrics.json": loss(3)})
    assert metrics(bench) == {
        "loss": 2, "metrics.json:loss": 1, "runs/a/metrics.json:loss": 3,
    }  # fmt: skip
    bench.save({"runs/b/metrics.json": loss(2.5)})
    assert metrics(bench)["loss"] == 2.5
    bench.save({"runs/b/metrics.json": '{"acc": 1}'})
    assert metrics(bench) == {"loss": 1, "acc": 1, "runs/a/metrics.json:loss": 3}, (
        "it has it no more"
    )
    bench.save({"runs/b/metrics.json": loss(2)})
    assert metrics(bench)["loss"] == 1, "and does not take it back"
    bench.remove("metrics.json")
    bench.commit()
    assert metrics(bench)["loss"] in (2, 3)


def test_the_same_of_settings(bench: Bench) -> None:
    bench.save({"config/b.yaml": "lr: 2\n"})
    bench.save({"params.yaml": "lr: 1\n"})
    assert settings(bench) == {"lr": 2, "params.yaml:lr": 1}


def test_mvc_toml_chooses(bench: Bench) -> None:
    bench.save({"a/metrics.json": loss(1), "b/metrics.json": loss(2), "c/metrics.json": loss(3)})
    assert metrics(bench)["loss"] == 1
    bench.save({"mvc.toml": '[metrics]\nmain = "c/*.json"\n'})
    assert metrics(bench) == {"loss": 3, "a/metrics.json:loss": 1, "b/metrics.json:loss": 2}
    bench.save({"mvc.toml": '[metrics]\nmain = ["x.json", "b/metrics.json"]\nlower = ["loss"]\n'})
    assert metrics(bench)["loss"] == 2
    bench.write({"mvc.toml": "[metrics]\nmain = 3\n"})
    with pytest.raises(Failure, match=r"\[metrics\]"):
        bench.commit()


def test_what_an_earlier_version_wrote_of_other_names_is_understood(bench: Bench) -> None:
    """Records once told apart members of a run by their own paths; now the source has a `*`."""
    before = flatvalues.Before(
        {"loss": 1, "out/checkpoint-5/trainer_state.json:loss": 2},
        lambda: {"metrics.json": {"loss": 1}, "out/checkpoint-*/trainer_state.json": {"loss": 2}},
    )
    sources = ["out/checkpoint-*/trainer_state.json", "metrics.json"]
    assert before.owner("loss", sources) == "metrics.json"
    assert before.owner("acc", sources) is None


# ---------------------------------------------------------------- runs


def test_the_newest_checkpoint_speaks_for_its_run(bench: Bench) -> None:
    def state(step: int) -> str:
        return json.dumps({"log_history": [{"step": step, "loss": 1 / step}]})

    bench.save({"out/checkpoint-500/trainer_state.json": state(500)})
    assert metrics(bench) == {"loss": 1 / 500, "step": 500}
    bench.save({"out/checkpoint-1000/trainer_state.json": state(1000)})
    assert metrics(bench) == {"loss": 1 / 1000, "step": 1000}
    bench.save({f"out/checkpoint-{n}/trainer_state.json": state(n) for n in range(1500, 6000, 500)})
    assert metrics(bench) == {"loss": 1 / 5500, "step": 5500}


def test_a_project_of_the_trainer(bench: Bench) -> None:
    names = ("trainer_state.json", "training_args.bin")
    bench.save({f"out/checkpoint-4/{name}": (DATA / name).read_bytes() for name in names})
    assert metrics(bench)["eval_loss"] == 1.3645459413528442
    found = settings(bench)
    assert found["learning_rate"] == 0.01
    assert not any(":" in key for key in found), "what both files say stands once"


def test_event_files_of_one_run_are_read_together_and_a_new_run_counts(bench: Bench) -> None:
    scalars, hparams = ((DATA / f"events.out.tfevents.{n}").read_bytes() for n in (0, 1))
    bench.save({
        "tb/events.out.tfevents.1700000000.h.1.0": scalars,
        "tb/events.out.tfevents.1700000009.h.1.1": hparams,
    })  # fmt: skip
    assert {"train/loss": 0.2, "val/acc": 0.9, "hparam/acc": 0.9}.items() <= metrics(bench).items()
    assert settings(bench) == {"lr": 0.1, "bs": 32, "opt": "adam", "amp": True}


def test_a_newer_run_speaks_also_where_another_logger_wrote_it(bench: Bench) -> None:
    bench.save({
        "logs/version_0/hparams.yaml": "lr: 0.1\nopt: !!python/name:torch.optim.Adam ''\n",
        "logs/version_0/events.out.tfevents.1700000000.h.1.0": (DATA / "events.out.tfevents.0").read_bytes(),
        "logs/version_0/events.out.tfevents.1700000000.h.1.1": (DATA / "events.out.tfevents.1").read_bytes(),
    })  # fmt: skip
    assert metrics(bench)["train/loss"] == 0.2
    assert settings(bench) == {"lr": 0.1, "opt": "torch.optim.Adam"}, "hparams.yaml says it better"
    bench.save({
        "logs/version_1/hparams.yaml": "lr: 0.3\n",
        "logs/version_1/metrics.csv": "step,train/loss\n7,0.125\n",
    })  # fmt: skip
    found = metrics(bench)
    assert found["train/loss"] == 0.125
    assert found["val/acc"] == 0.9, "what the newer run does not say stays"
    assert not any(key.endswith(":train/loss") for key in found)
    assert settings(bench)["lr"] == 0.3


def test_the_newest_run_of_mlflow_counts(bench: Bench) -> None:
    for run, when, value in (("f", 1, 0.5), ("0", 2, 0.25), ("a", 0, 9)):
        bench.write({
            f"mlruns/0/{run * 32}/metrics/loss": f"{1700000000000 + when} {value} 3\n",
            f"mlruns/0/{run * 32}/params/lr": str(when / 10),
            f"mlruns/0/{run * 32}/meta.yaml": "artifact_uri: x\n",
        })  # fmt: skip
    bench.save({})
    assert metrics(bench) == {"loss": 0.25, "step": 3}
    assert settings(bench) == {"lr": 0.2}


def test_more_files_than_are_read_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatvalues, "MAX_FILES", 2)
    found = bench.save({f"metrics_{n}.json": loss(n) for n in range(4)})
    assert found.unparsed == (("metrics_2.json", "not read, nor 1 more: 2 files were"),)
    assert bench.repo.status().unparsed == found.unparsed
    monkeypatch.setattr(flatvalues, "MAX_RECORD_BYTES", 60)
    found = bench.save({"metrics_0.json": json.dumps({f"long-name-{n}": n for n in range(9)})})
    assert any("not recorded" in why for _, why in found.unparsed)


# ---------------------------------------------------------------- what is not understood


def test_a_file_that_does_not_parse_is_told_once_and_kept_in_status(bench: Bench) -> None:
    found = bench.save({"params.yaml": "a: [\n", "metrics.json": "{", "ok.yaml": "b: 1\n"})
    assert [path for path, why in found.unparsed if why] == ["metrics.json", "params.yaml"]
    assert bench.repo.status().unparsed == found.unparsed
    assert bench.save({"notes.md": "x"}).unparsed == ()
    assert bench.repo.status().unparsed == found.unparsed
    assert bench.save({"params.yaml": "a: {\n", "metrics.json": loss(1)}).unparsed != ()
    assert [path for path, _ in bench.repo.status().unparsed] == ["params.yaml"]
    bench.save({"params.yaml": "a: 1\n"})
    assert bench.repo.status().unparsed == ()
    assert (settings(bench), metrics(bench)) == ({"a": 1, "b": 1}, {"loss": 1})


def test_status_asks_no_file_of_a_version_that_was_committed_here(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"params.yaml": "a: [", "metrics.json": loss(1)})
    told = bench.repo.status().unparsed
    with monkeypatch.context() as patch:
        patch.setattr(flatvalues, "carries_values", None)
        assert bench.repo.status().unparsed == told
    assert [path for path, _ in told] == ["params.yaml"]
    core = bench.repo._core
    version = core.version(core.head().version)
    core.store.cache_put({problems.problems_key(version): None})
    assert bench.repo.status().unparsed == told, "the files are asked again"


def test_a_table_of_metrics_may_grow_past_any_size(bench: Bench) -> None:
    """Below 1 MiB a file is read whole, above as a stream; then the stored one is read again, in pieces."""
    head, row = "loss," + ",".join(f"m{n}" for n in range(50)), "0.5," + ",".join(["0.123456"] * 50)
    for rows in (10, 3000, 19_000):
        data = f"{head}\n" + f"{row}\n" * rows + row.replace("0.5", f"{rows}") + "\n"
        bench.save({"metrics.csv": data})
        assert len(metrics(bench)) == 51
        assert metrics(bench)["loss"] == rows
    bench.save({"other.md": "x"})
    assert metrics(bench)["loss"] == 19_000


def test_what_is_not_cached_is_read_again_from_the_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"metrics.csv": "loss\n0.5\n", "params.yaml": "lr: 1\n", "big.csv": "x\n"})
    monkeypatch.setattr(flatvalues, "EDITION", b"test")
    monkeypatch.setattr(flatvalues, "MAX_WHOLE_BYTES", 0)
    bench.save({"other.md": "x"})
    assert (metrics(bench), settings(bench)) == ({"loss": 0.5}, {"lr": 1})


def test_dotted_keys_and_nested_ones_are_both_kept(bench: Bench) -> None:
    bench.save({"params.yaml": "a.b: 1\na: {b: 2}\n"})
    assert settings(bench) == {"a.b": 2, '"a.b"': 1}
    bench.save({"params.yaml": "a: {b: 2}\na.b: 3\n"})
    assert settings(bench) == {"a.b": 2, '"a.b"': 3}
