"""`mvc.log_metrics(step=)`: a file that only grows, what readers make of it, what the record leaves out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mvc
from mvc.training import steps
from mvcd.inspect.lastrows import MAX_POINTS_VALUES, LastValues
from mvcd.inspect.recorded import read
from mvcd.objects.version import Component
from tests.support.workspace import Bench

RANKS = {name for pair in steps._RANKS for name in pair}


@pytest.fixture(autouse=True)
def by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever started the tests."""
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "experiment") as made:
        yield made


def curve(path: Path, metric: str) -> dict[float, float]:
    """As the engine reads it."""
    with path.open("rb") as file:
        found = read(Component.RESULTS, path.name, file, path.stat().st_size, wanted=metric)
    assert found.problem is None and not found.metrics
    return dict(found.points)


def drawn(bench: Bench, metric: str) -> list[tuple[float | None, float]]:
    """As `mvc plot --x step` draws it."""
    (found,) = bench.repo.series([metric], steps=True)
    return [(point.step, point.value) for point in found.points]


def metrics_of(bench: Bench) -> dict[str, object]:
    core = bench.repo._core
    return dict(core.version(core.head().version).metrics)


def test_a_line_a_call_and_the_last_values_are_the_versions(bench: Bench) -> None:
    for step in (10, 20):
        mvc.log_metrics({"loss": 1 / step, "epoch": step / 100}, step=step, directory=bench.root)
        mvc.log_metrics({"val": {"acc": step}}, step=step, directory=bench.root)
    text = (bench.root / "metrics.steps.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [list(line) for line in lines] == [
        ["step", "timestamp", "loss", "epoch"], ["step", "timestamp", "val"],
    ] * 2  # fmt: skip
    assert all(1.7e12 < line["timestamp"] < 1e13 for line in lines), "milliseconds"
    bench.add()
    bench.commit()
    assert metrics_of(bench) == {"loss": 0.05, "val.acc": 20}, "step, timestamp and epoch are axes"
    assert drawn(bench, "loss") == [(10, 0.1), (20, 0.05)]
    assert drawn(bench, "val.acc") == [(10, 10), (20, 20)]


def test_one_step_in_each_version_is_drawn_too(bench: Bench) -> None:
    mvc.log_metrics({"loss": 0.5}, step=7, directory=bench.root)
    bench.add()
    bench.commit()
    assert drawn(bench, "loss") == [(7, 0.5)]
    mvc.log_metrics({"loss": 0.25}, step=8, directory=bench.root)
    bench.commit()
    assert drawn(bench, "loss") == [(7, 0.5), (8, 0.25)]


def test_without_a_step_there_is_no_history(bench: Bench) -> None:
    mvc.log_metrics({"acc": 1, "epoch": 3}, directory=bench.root)
    assert {path.name for path in bench.root.iterdir()} == {".mvc", "metrics.json"}
    bench.add()
    bench.commit()
    assert metrics_of(bench) == {"acc": 1, "epoch": 3}


def test_a_resumed_run_writes_its_steps_again(bench: Bench) -> None:
    for step, loss in [(1, 0.9), (2, 0.8), (3, 0.7), (2, 0.6), (4, 0.5)]:
        mvc.log_metrics({"loss": loss}, step=step, directory=bench.root)
    bench.add()
    bench.commit()
    assert drawn(bench, "loss") == [(1, 0.9), (2, 0.6), (3, 0.7), (4, 0.5)]


ROWS = st.lists(
    st.tuples(st.integers(-3, 9), st.dictionaries(st.sampled_from("ab"), st.floats(-9, 9))),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=40)
@given(ROWS, st.sets(st.integers(0, 11)))
def test_the_newest_value_of_each_step_holds(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, dict[str, float]]],
    torn: set[int],
) -> None:
    """Whatever else was cut short before a line."""
    path = tmp_path_factory.mktemp("steps") / "metrics.steps.jsonl"
    model: dict[str, dict[float, float]] = {"a": {}, "b": {}}
    for at, (step, values) in enumerate(rows):
        if at in torn:
            with path.open("a") as file:
                file.write('{"step": 5, "a": 1')
        steps.append(str(path), step, values)
        for name, value in values.items():
            model[name][step] = value
    assert {name: curve(path, name) for name in model} == model


def test_also_of_more_points_than_are_kept() -> None:
    rows = LastValues("loss")
    for value in (1, 2):
        for step in range(3 * MAX_POINTS_VALUES):
            rows.add({"step": step, "loss": value})
    assert MAX_POINTS_VALUES / 4 < len(rows.points) <= MAX_POINTS_VALUES
    assert {value for _, value in rows.points} == {2}


ENDLESS = """
import itertools, sys, mvc
for step in itertools.count():
    mvc.log_metrics({"loss": step / 2, "pad": "x" * 3000}, step=step, directory=sys.argv[1])
    if step == 20:
        print("running", flush=True)
"""


def test_kill_9_loses_no_line_that_was_logged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.steps.jsonl"
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == b"running\n"
            program.kill()
        assert program.returncode == -signal.SIGKILL
        found = curve(path, "loss")
        assert len(found) >= 20 and list(found) == [float(n) for n in range(len(found))]
        assert all(value == step / 2 for step, value in found.items())
        json.loads((tmp_path / "metrics.json").read_text())


def test_a_line_that_was_cut_short_is_passed_over_and_not_joined(tmp_path: Path) -> None:
    path = tmp_path / "metrics.steps.jsonl"
    mvc.log_metrics({"loss": 3}, step=1, directory=tmp_path)
    with path.open("a") as file:
        file.write('{"step": 2, "timestamp": 1700000000000, "lo')
    assert curve(path, "loss") == {1: 3}
    mvc.log_metrics({"loss": 1}, step=3, directory=tmp_path)
    assert curve(path, "loss") == {1: 3, 3: 1}


MANY = """
import sys, mvc
for step in range(100):
    mvc.log_metrics({f"m{sys.argv[2]}": step, "pad": "x" * 2000}, step=step, directory=sys.argv[1])
"""


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    programs = [
        subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), str(number)])
        for number in range(3)
    ]
    assert [program.wait() for program in programs] == [0, 0, 0]
    path = tmp_path / "metrics.steps.jsonl"
    for number in range(3):
        assert curve(path, f"m{number}") == {float(step): step for step in range(100)}


@pytest.mark.parametrize(("number", "count"), steps._RANKS)
def test_processes_that_train_together_have_files_of_their_own(
    bench: Bench, number: str, count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(count, "4")
    for rank in (0, 3):
        monkeypatch.setenv(number, str(rank))
        for step in (1, 2):
            mvc.log_metrics({"loss": step + rank}, step=step, directory=bench.root)
    monkeypatch.delenv(number)
    assert {path.name for path in bench.root.iterdir() if path.is_file()} == {
        "metrics.json", "metrics.steps.jsonl", "metrics.rank3.json", "metrics.rank3.steps.jsonl",
    }  # fmt: skip
    bench.add()
    bench.commit()
    assert metrics_of(bench) == {"loss": 2, "metrics.rank3.json:loss": 5}
    assert drawn(bench, "loss") == [(1, 1), (2, 2)]
    assert drawn(bench, "metrics.rank3.json:loss") == [(1, 4), (2, 5)]


def test_a_process_that_is_alone_is_the_first_whatever_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert steps.rank() == 0
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert steps.rank() == 0


@pytest.mark.parametrize("step", [True, 1.5, "7", None, float("nan")])
def test_a_step_is_a_whole_number(step: object) -> None:
    with pytest.raises(mvc.UsageError, match="a step is a whole number"):
        steps.whole(step)


def test_a_step_may_be_of_a_library(tmp_path: Path) -> None:
    class Tensor:
        def item(self) -> float:
            return 12.0

    mvc.log_metrics({"loss": Tensor()}, step=Tensor(), directory=tmp_path)  # type: ignore[arg-type]
    assert curve(tmp_path / "metrics.steps.jsonl", "loss") == {12: 12}


def test_what_is_written_costs_the_same_whatever_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a line is written and only a byte is read, of a file of 50 MB as of an empty one."""
    path = tmp_path / "metrics.steps.jsonl"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    asked: list[tuple[int, int]] = []
    real = os.pread

    def pread(descriptor: int, count: int, at: int) -> bytes:
        asked.append((count, at))
        return real(descriptor, count, at)

    monkeypatch.setattr(os, "pread", pread)
    mvc.log_metrics({"loss": 1}, step=1, directory=tmp_path)
    assert asked == [(1, (50 << 20) - 1)]
    assert path.stat().st_size < (50 << 20) + 200
