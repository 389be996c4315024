"""Checkpoints of one model on the screens: one speaks, and what came is compared with what was before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.support.commandline import Mvc, write
from tests.support.fetched import recipes_fetched

Commit = Callable[[dict[str, str | bytes]], None]
ONES = np.ones(100, "f4")


@pytest.fixture
def commit(mvc: Mvc, work: Path, monkeypatch: pytest.MonkeyPatch) -> Commit:
    mvc("init")
    mvc("add", ".")
    monkeypatch.setenv("COLUMNS", "80")

    def commit(files: dict[str, str | bytes]) -> None:
        write(work, files)
        mvc("commit", "-m", "m")

    return commit


def trainer(factor: float, width: int = 100) -> dict[str, str | bytes]:
    """What a Trainer leaves: the final model, and two checkpoints on the way to it."""
    found: dict[str, str | bytes] = {}
    for at, directory in enumerate(("out/checkpoint-30/", "out/checkpoint-40/", "out/")):
        weights = {"w": np.ones(width, "f4") * np.float32(factor - (at == 0) / 10)}
        found[directory + "model.safetensors"] = save(weights)
        found[directory + "config.json"] = json.dumps({"n_embd": width})
        found[directory + "optimizer.pt"] = save({"state.0.exp_avg": ONES * factor})
    return found


def screen(mvc: Mvc, *words: str) -> list[str]:
    lines: list[str] = mvc("diff", *words).out.splitlines()
    assert max(map(len, lines)) <= 80, lines
    return lines


def part(lines: list[str], name: str) -> list[str]:
    at = next(at for at, line in enumerate(lines) if line.startswith(name))
    end = next((e for e in range(at + 1, len(lines)) if lines[e][:1].isalpha()), len(lines))
    return [line.strip() for line in lines[at + 1 : end]]


def test_the_final_model_speaks_for_its_checkpoints(mvc: Mvc, commit: Commit) -> None:
    commit(trainer(1))
    commit(trainer(1.5))
    assert part(screen(mvc, "v1", "v2"), "weights") == [
        "~ out/model.safetensors   1 tensor: 1 changed",
        "~ w  by 50 %",
        "and 2 more checkpoints of it (-v)",
        "~ training state   3 files: 3 modified (-v)",
    ]
    assert "1 tensor: 1 changed" in mvc("diff", "v1", "v2", "--stat").out
    assert sum("safetensors" in line for line in screen(mvc, "v1", "v2", "-v")) == 3


def test_a_change_of_form_is_told_once(mvc: Mvc, commit: Commit) -> None:
    commit(trainer(1))
    commit(trainer(1, width=200))
    assert part(screen(mvc, "v1", "v2"), "architecture") == [
        "~ out/config.json   and 2 more like it (-v)",
        "out/model  layers: 1 reshaped",
        "# w  F32 [100] -> [200]",
        "parameters  100 -> 200  +100  (+100.0 %)",
        "and 2 more checkpoints of it (-v)",
        "out/config.json",
        "n_embd  100  ->  200  +100  +100.0 %",
    ]
    assert mvc("diff", "v1", "v2", "--stat").out.count("reshaped; parameters") == 1
    card = mvc("card").out
    assert card.count("| module |") == 1
    assert "out/model: 200 F32, and 2 more checkpoints of it" in card
    assert "parameters | 200 F32" in card


def test_a_checkpoint_with_another_change_speaks_for_itself(mvc: Mvc, commit: Commit) -> None:
    commit(trainer(1))
    both = {"out/model.safetensors": save({"w": ONES, "new": ONES})}
    commit({**both, "out/checkpoint-40/model.safetensors": save({"w": ONES, "x": ONES})})
    shown = part(screen(mvc, "v1", "v2"), "architecture")
    assert [line for line in shown if "layers:" in line] == [
        "out/checkpoint-40/model  layers: 1 added",
        "out/model  layers: 1 added",
    ]


def test_a_rotation_is_compared_with_what_was_before(mvc: Mvc, commit: Commit, work: Path) -> None:
    commit({f"out/checkpoint-{n}/model.safetensors": save({"w": ONES * n}) for n in (5, 10)})
    for n in (5, 10):
        (work / f"out/checkpoint-{n}/model.safetensors").unlink()
    commit({f"out/checkpoint-{n}/model.safetensors": save({"w": ONES * n}) for n in (15, 20)})
    assert part(screen(mvc, "v1", "v2"), "weights") == [
        "+ out/checkpoint-20/model.safetensors",
        "since out/checkpoint-10/model.safetensors:  1 tensor: 1 changed",
        "~ w  by 100 %",
        "and 1 more checkpoint of it (-v)",
        "- out/checkpoint-10/model.safetensors   and 1 more checkpoint of it (-v)",
    ]


def test_one_checkpoint_for_another_is_told_once(mvc: Mvc, commit: Commit, work: Path) -> None:
    commit({"out/checkpoint-5/model.safetensors": save({"w": ONES * 5})})
    (work / "out/checkpoint-5/model.safetensors").unlink()
    commit({"out/checkpoint-6/model.safetensors": save({"w": ONES * 6})})
    lines = screen(mvc, "v1", "v2")
    assert "      ~ w  by 20 %" in lines
    assert not any("across" in line for line in lines)


def test_a_run_is_compared_with_the_run_before(mvc: Mvc, commit: Commit) -> None:
    def run(number: int, width: int) -> dict[str, str | bytes]:
        weights = save({"state_dict.w": np.ones(width, "f4"), "state_dict.b": ONES * number})
        logs = f"lightning_logs/version_{number}/"
        saved = {f"{logs}checkpoints/{n}.ckpt": weights for n in ("epoch=3-step=32", "last")}
        return {**saved, f"{logs}hparams.yaml": f"width: {width}\n"}

    commit(run(1, 10))
    commit(run(2, 10))
    commit(run(3, 20))
    lines = screen(mvc, "v1", "v2")
    assert "architecture     unchanged" in lines
    assert part(lines, "weights") == [
        "+ lightning_logs/version_2/checkpoints/last.ckpt",
        "since lightning_logs/version_1/checkpoints/last.ckpt:",
        "2 tensors: 1 changed, 1 unchanged",
        "~ state_dict.b  by 100 %",
        "and 1 more checkpoint of it (-v)",
    ]
    shown = part(screen(mvc, "v2", "v3"), "architecture")
    assert shown[:2] == [
        "lightning_logs/{version_2 -> version_3}/checkpoints/last  layers: 1 reshaped",
        "# state_dict.w  F32 [10] -> [20]",
    ]
    assert "parameters | 120 F32" in mvc("card").out, "of the newest run"


def test_tensors_are_those_of_one_checkpoint(mvc: Mvc, commit: Commit) -> None:
    commit(trainer(1))
    commit(trainer(1.5))
    lines = screen(mvc, "v1", "v2", "--tensors")
    at = lines.index("tensors  1 changed")
    assert [line.split()[-1] for line in lines[at + 2 :]] == ["w", "(-v)", "(-v)"]
    assert lines[-1] == "  4 files of other checkpoints left out (-v)"
    commit({f"run/step_{n}.pt": save({"w": ONES * n}) for n in (1, 2)})
    commit({f"run/step_{n}.pt": save({"w": ONES * n}) for n in (3, 4)})
    lines = screen(mvc, "v3", "v4", "--tensors")
    assert "run/step_4.pt  since run/step_2.pt" in lines
    assert lines[-1].split()[:2] == ["1", "100"]


def test_models_that_are_as_before_are_not_read(mvc: Mvc, commit: Commit) -> None:
    """Neither for what changed, nor where a checkpoint that came is compared with the one before it."""
    still = {f"zoo/{n}/model.safetensors": save({f"{n}.w": ONES * n}) for n in range(20)}
    commit({**still, "run/step_1.pt": save({"w": ONES}), "m.safetensors": save({"v": ONES})})
    commit({"run/step_2.pt": save({"w": ONES * 2})})
    commit({"m.safetensors": save({"v": ONES * 2})})
    for words, most in ((["v2", "v3"], 2), (["v1", "v2"], 2), (["v1", "v2", "--tensors"], 2)):
        with recipes_fetched() as fetched:
            mvc("diff", *words)
        assert 0 < len(set(fetched)) <= most, words
    with recipes_fetched() as fetched:
        mvc("show", "v3")
    assert len(set(fetched)) <= 2


def test_a_checkpoint_less_is_no_change_of_the_network(
    mvc: Mvc, commit: Commit, work: Path
) -> None:
    commit(trainer(1))
    for name in ("model.safetensors", "config.json", "optimizer.pt"):
        (work / "out/checkpoint-30" / name).unlink()
    changed = trainer(2)
    commit({path: data for path, data in changed.items() if "-30/" not in path})
    commit(changed)
    for revs, sign in ((("v1", "v2"), "-"), (("v2", "v3"), "+")):
        lines = screen(mvc, *revs)
        shown = part(lines, "architecture")
        assert [line.split()[:2] for line in shown] == [[sign, "out/checkpoint-30/config.json"]]
        assert f"  {sign} out/checkpoint-30/model.safetensors" in lines


def test_the_catalogue_fits(mvc: Mvc, commit: Commit, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {"eval_loss": 2 / 3, "accuracy": 1 / 3, "loss": 0.5, "runtime": 1}
    commit({
        **trainer(1), "metrics.json": json.dumps(metrics),
        "a/metrics.json": json.dumps({"eval_loss": 3, "loss": 4}),
    })  # fmt: skip
    mvc("tag", "v1.0")
    head, row, way = mvc("catalogue").out.splitlines()
    assert max(map(len, (head, row))) <= 80 and "eval_loss 0.666667" in row
    assert way == "mvc export ID DIR  gets one"
    monkeypatch.setenv("COLUMNS", "118")
    head, row = mvc("catalogue").out.splitlines()
    assert len(row) <= 118 and row.endswith(" DIR") and "accuracy" in row
    monkeypatch.delenv("COLUMNS")
    assert "loss 0.5  mvc export" in mvc("catalogue").out


def test_what_was_measured_stands_before_what_was_set(mvc: Mvc, commit: Commit) -> None:
    commit({"params.yaml": "lr: 1\n", "metrics.json": '{"a_time_of_it": 1, "loss": 2}'})
    lines = mvc("show").out.splitlines()
    assert lines[-6:] == [
        "metrics",
        "  loss          2",
        "  a_time_of_it  1",
        "",
        "hyperparameters",
        "  lr  1",
    ]


def test_long_names_and_keys_fit(mvc: Mvc, commit: Commit) -> None:
    long = "a_directory_of_a_long_name/with_another_one_in_it"
    for value in (1, 2):
        metrics = {"loss": value / 3, f"a_metric_of_a_name_that_is_{'very_' * 12}long": value / 3}
        commit({
            f"{long}/step_{value}.pt": save({"w": ONES * value}),
            f"{long}/config.json": json.dumps({"k" * 70: value}),
            "metrics.json": json.dumps(metrics | {"step": value}),
        })  # fmt: skip
    lines = screen(mvc, f"v2:{long}/step_1.pt", f"v2:{long}/step_2.pt")
    assert lines[0].endswith("step_1.pt") and lines[1].startswith("-> v2 ")
    shown = part(screen(mvc, "v1", "v2"), "results")
    assert [line.split()[0] for line in shown[1:]][::2] == ["loss", "step"]
    assert "…" in shown[2]
    entry = mvc("log", "-n", "1").out.splitlines()[-1]
    assert entry.split() == ["loss", "0.666667", "(+1)"]
