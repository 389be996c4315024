"""Metrics on screens: which names have columns, and what is said of a name that several files have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.metric_names import is_settled, short_name
from tests.support.commandline import AUTHOR, Mvc, write


@pytest.fixture
def two(mvc: Mvc, work: Path) -> Path:
    """Two versions of a project whose loss two files have."""
    del mvc
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
        for value in (0.5, 0.25):
            write(work, {
                "metrics.json": f'{{"loss": {value}, "step": 7, "epoch": 1}}',
                "runs/metrics.csv": "step,loss,acc\n1,3,0.5\n",
            })  # fmt: skip
            repo.commit(f"loss {value}")
    return work


def test_axes_have_no_column_and_ambiguous_names_one(mvc: Mvc, two: Path) -> None:
    lines = mvc("log", "--metrics").out.splitlines()
    assert lines[0].split() == ["version", "acc", "loss", "(2", "sources)", "message"]
    assert lines[1].split()[2:4] == ["0.5", "0.25"]
    assert lines[-1].endswith('mvc.toml: [metrics] main = "runs/metrics.csv"')
    assert mvc("log", "-n", "1").out.splitlines()[-1].split() == [
        "acc", "0.5", "loss", "0.25", "runs/metrics.csv:loss", "3",
    ]  # fmt: skip
    write(two, {"mvc.toml": '[metrics]\nmain = "runs/metrics.csv"\n'})
    mvc("commit", "-m", "choose")
    lines = mvc("log", "--metrics").out.splitlines()
    assert lines[0].split() == ["version", "acc", "loss", "message"]
    assert lines[1].split()[3] == "3"
    assert is_settled(str(two))


def test_a_version_with_nothing_but_steps_shows_them(mvc: Mvc, work: Path) -> None:
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
        write(work, {"metrics.json": '{"step": 7}'})
        repo.commit("a step")
    assert mvc("log", "--metrics").out.split()[:2] == ["version", "step"]


def test_what_is_not_understood_is_told_in_one_line(mvc: Mvc, work: Path) -> None:
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
    write(work, {"params.yaml": "a: [", "metrics.json": "{", "x.toml": "= 1"})
    said = [line for line in mvc("commit", "-m", "a").err.splitlines() if "not understood" in line]
    assert len(said) == 1
    assert said[0].endswith("; 2 more: mvc status names them")
    told = mvc("status").out
    assert "Not understood, so without settings or metrics:" in told
    assert all(f"  {name}: " in told for name in ("params.yaml", "metrics.json", "x.toml"))


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_table_fits_the_terminal(
    mvc: Mvc, work: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
        write(work, {"metrics.json": json.dumps({f"metric_{n}": n / 7 for n in range(30)})})
        repo.commit("a message as long as messages of one line ever are, and then some more")
    monkeypatch.setenv("COLUMNS", str(columns))
    table = mvc("log", "--metrics").out.splitlines()[:2]
    assert columns - 14 < max(map(len, table)) <= columns
    assert "a message as long" in table[1]


def test_what_two_files_repeat_stands_once(mvc: Mvc, work: Path) -> None:
    """The second as a float32, as event files have it."""
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
        for value in (0.5, 0.1):
            write(work, {
                "metrics.json": f'{{"loss": {value}}}',
                "logs/metrics.csv": f"loss\n{value + 1.5e-9}\n",
                "params.yaml": f"lr: {value}\n",
                "out/params.yaml": f"lr: {value}\n",
            })  # fmt: skip
            repo.commit("x")
    assert mvc("log", "--metrics").out.splitlines()[0].split() == ["version", "loss", "message"]
    for said in (
        mvc("show").out,
        mvc("card").out,
        mvc("compare", "v1", "v2").out,
        mvc("diff", "v1", "v2").out,
    ):
        assert "loss" in said and "lr" in said
        assert ":loss" not in said and ":lr" not in said


def test_short_names() -> None:
    assert short_name("a/b.json:loss") == "loss"
    assert short_name("metrics.json:val:loss") == "val:loss"
    assert short_name("val:loss") == "val:loss"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_compare_shows_what_a_terminal_has_room_for(
    mvc: Mvc, work: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    with Repo.init(work, author=AUTHOR) as repo:
        repo.add(".")
        for run in (1, 2):
            settings = {f"setting_{letter}": run for letter in "abcdefghijkl"}
            metrics = {
                "grad_norm_of_all_of_it": run * 1.5,
                "eval_loss": 1 / run,
                "val_acc": run / 2,
            }
            write(work, {
                "params.json": json.dumps(settings | {"long": "x" * 90 * run}),
                "metrics.json": json.dumps(metrics),
            })  # fmt: skip
            repo.commit(f"run {run}")
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = mvc("compare", "v1", "v2")
    lines = shown.out.splitlines()
    assert max(map(len, lines[:3])) <= columns
    titles = lines[0].split()[1:-1]
    assert {"eval_loss", "val_acc"} <= set(titles), "metrics of which it is known what is better"
    assert ("setting_b" in titles) == (columns > 60), "settings before metrics that only differ"
    assert "grad_norm_of_all_of_it" not in titles
    assert "long" not in titles
    left = 16 - len(titles)
    assert "no room for " in lines[3] and lines[3].count(",") <= 4
    assert f"and {left - 3} more" in lines[3]
    whole = mvc("compare", "v1", "v2", "--full").out.splitlines()[0].split()
    assert len(whole) - 2 == 16
    monkeypatch.delenv("COLUMNS")
    assert len(mvc("compare", "v1", "v2").out.splitlines()[0].split()) - 2 == 16, "a pipe"
