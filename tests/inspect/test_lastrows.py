"""Metrics in rows: every dialect gives the last value of each column, and one column over its steps."""

from __future__ import annotations

import io
import json
import math
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.axes import is_axis, is_same_figure
from mvcd.inspect.lastrows import MAX_POINTS_VALUES, LastValues
from mvcd.inspect.values import read_metrics
from tests.support.reading import parse_metrics


def metrics(path: str, text: str | bytes) -> dict[str, object]:
    parsed = parse_metrics(path, text if isinstance(text, bytes) else text.encode())
    assert parsed.problem is None, parsed.problem
    return dict(parsed.values)


PLAIN = {"epoch": 2, "loss": 0.25, "acc": 0.9}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("m.csv", "epoch,loss,acc\n1,0.5,0.8\n2,0.25,0.9\n"),
        ("m.csv", "epoch;loss;acc\n1;0.5;0.8\n2;0.25;0.9\n"),
        ("m.csv", "epoch;loss;acc\n1;0,5;0,8\n2;0,25;9,0e-1\n"),
        ("m.csv", "epoch\tloss\tacc\n1\t0.5\t0.8\n2\t0.25\t0.9\n"),
        ("m.tsv", "epoch,loss,acc\n1,0.5,0.8\n2,0.25,0.9\n"),
        ("m.csv", "epoch|loss|acc\n1|0.5|0.8\n2|0.25|0.9\n"),
        ("m.csv", "epoch,loss,acc\r1,0.5,0.8\r2,0.25,0.9\r"),
        ("m.csv", "epoch,loss,acc\r\n1,0.5,0.8\r\n2,0.25,0.9"),
        ("m.csv", "\ufeffepoch,loss,acc\n2,0.25,0.9\n"),
        ("m.csv", "epoch,loss,acc,\n1,0.5,0.8,\n2,0.25,0.9,\n"),
        ("m.csv", "epoch,loss,acc\n1,0.5,0.8,\n2,0.25,0.9,\n"),
        ("m.csv", "epoch,loss,acc\n1,0.5,0.9\n2,0.25,NA\n"),
        ("m.csv", "epoch,loss,acc\n1,0.5,0.9\n2,0.25\n"),
        ("m.csv", "epoch,loss,acc\n2,0.25,0.9\n3,0.1"),
        ("m.csv", "# written by hand\nepoch,loss,acc\n2,0.25,0.9\n"),
        ("m.csv", "# epoch,loss,acc\n2,0.25,0.9\n"),
        ("m.csv", "epoch,loss,acc\n1,1,1\nepoch,loss,acc\n2,0.25,0.9\n"),
        ("m.csv", "  epoch ,  loss , acc\n 2, 0.25 , 0.9\n"),
        ("m.csv", "step,metric,value\n1,epoch,2\n1,loss,0.5\n2,loss,0.25\n2,acc,0.9\n"),
        ("training.log", "epoch,loss,acc\n1,0.5,0.8\n2,0.25,0.9\n"),
        ("m.jsonl", '{"epoch":1,"loss":0.25}\n{"epoch":2,"acc":0.9}\n{"loss": 0.1'),
        ("m.ndjson", '{"epoch":2,"loss":0.25,"acc":null}\nnote\n{"acc":0.9}\n'),
        ("metrics.json", '{"epoch":1,"loss":0.25}\n{"epoch":2,"acc":0.9}\n'),
        ("metrics.json", '[{"epoch":1,"loss":0.25},{"epoch":2,"acc":0.9}]'),
        ("log.txt", '{"epoch":1,"loss":0.25}\n{"epoch":2,"acc":0.9}\n'),
        ("history.json", '{"epoch": [1, 2], "loss": [0.5, 0.25], "acc": [0.8, 0.9]}'),
    ],
)
def test_dialects(path: str, text: str) -> None:
    found = metrics(path, text)
    found.pop("step", None)
    assert found == PLAIN


def test_long_form_without_a_header_and_tables_without_names() -> None:
    assert metrics("m.csv", "accuracy,0.9\nf1,0.8\n") == {"accuracy": 0.9, "f1": 0.8}
    assert metrics("m.csv", "metric,value\naccuracy,0.9\n") == {"accuracy": 0.9}
    assert metrics("m.csv", "1,0.5\n2,0.25\n") == {"0": 2, "1": 0.25}
    assert metrics("m.csv", ",precision,recall\ncat,0.5,0.6\nmacro avg,0.7,0.8\n") == {
        "cat.precision": 0.5, "cat.recall": 0.6, "macro avg.precision": 0.7, "macro avg.recall": 0.8,
    }  # fmt: skip


def test_a_loss_that_became_nan_is_told() -> None:
    assert math.isnan(metrics("m.csv", "loss\n0.5\nnan\n")["loss"])  # type: ignore[arg-type]


def test_histories_of_libraries() -> None:
    evals = {"validation_0": {"rmse": [3.0, 2.0]}, "validation_1": {"rmse": [4.0, 3.5]}}
    assert metrics("evals_result.json", json.dumps(evals)) == {
        "validation_0.rmse": 2.0, "validation_1.rmse": 3.5,
    }  # fmt: skip
    per_class = metrics("metrics.json", '{"f1": [0.1, 0.9]}')
    assert per_class == {"f1.0": 0.1, "f1.1": 0.9}, "a list in another file is no history"
    nested = '{"best": 0.9, "history": [{"epoch": 1, "loss": 2}, {"epoch": 2, "loss": 1}]}'
    assert metrics("m.json", nested) == {"best": 0.9, "history.epoch": 2, "history.loss": 1}
    models = '[{"model": "a", "acc": 1}, {"model": "b", "acc": 0}]'
    assert metrics("m.json", models)["0.acc"] == 1, "rows without a step are no history"


@pytest.mark.parametrize("text", ["", "Epoch 1: loss 0.5\n", "12:30,3 INFO start\n", "{broken\n"])
def test_a_plain_log_has_no_metrics_and_no_fault(text: str) -> None:
    assert metrics("train.log", text) == {}


@pytest.mark.thorough
def test_no_size_at_which_metrics_vanish() -> None:
    names = [f"m{n}" for n in range(50)]
    rows = b"0.5," + b",".join([b"0.123456"] * 50) + b"\n"
    head = ("loss," + ",".join(names) + ",early\n").encode()
    data = (
        head
        + rows.replace(b"\n", b",7\n")
        + rows.replace(b"\n", b",\n") * 22_000
        + b"0.4"
        + b"," * 51
        + b"\n"
    )
    assert len(data) > 8 << 20
    tracemalloc.start()
    try:
        found = read_metrics("m.csv", io.BytesIO(data), len(data)).values
        assert tracemalloc.get_traced_memory()[1] < len(data) + (8 << 20)
    finally:
        tracemalloc.stop()
    assert (found["loss"], found["m49"], found["early"]) == (0.4, 0.123456, 7)


def test_one_metric_over_its_steps() -> None:
    text = "step,loss,acc\n10,0.5,\n20,,0.7\n30,0.25,\n"
    found = read_metrics("m.csv", io.BytesIO(text.encode()), len(text), wanted="loss")
    assert found.points == [(10, 0.5), (30, 0.25)]
    rows = LastValues("loss")
    for step in range(5 * MAX_POINTS_VALUES):
        rows.add({"step": step, "loss": 1 / (step + 1)})
    assert MAX_POINTS_VALUES / 2 <= len(rows.points) <= MAX_POINTS_VALUES
    assert rows.points == sorted(rows.points) and rows.points[-1][0] > 4.99 * MAX_POINTS_VALUES


def test_axes() -> None:
    axes = "step epoch Epoch global_step train/global_step _step time wall_time timestamp logs/a.csv:epoch"
    assert all(map(is_axis, axes.split()))
    others = "loss step_time epoch_loss inference.time eval_runtime val.loss steps_per_second"
    assert not any(map(is_axis, others.split()))


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-9, 9) | st.booleans()),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_rows_of_both_forms_say_the_same(rows: list[dict[str, object]]) -> None:
    """What JSON lines and a CSV file of the same rows have in common."""
    expected: dict[str, object] = {}
    for row in rows:
        expected |= {k: v for k, v in row.items() if v is not None or k not in expected}
    if any(rows):
        assert metrics("m.jsonl", "\n".join(map(json.dumps, rows))) == expected
    cells = [[str(row.get(k) if row.get(k) is not None else "") for k in "abc"] for row in rows]
    text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in cells)
    found = {k: v for k, v in metrics("m.csv", text).items() if v is not None}
    if all(any(row) for row in cells):
        assert found == {k: v for k, v in expected.items() if v is not None}


ONE: list[tuple[object, object]] = [
    (0.1, 0.10000000149011612), (math.nan, math.nan), (math.inf, math.inf), (2, 2.0), ("a", "a"),
]  # fmt: skip
TWO: list[tuple[object, object]] = [
    (0.1, 0.10001), (1, True), (1.0, True), (16777216, 16777217), (1, None), (1.0, "1.0"), (0.0, None),
]  # fmt: skip


def test_what_is_one_figure() -> None:
    for a, b in ONE:
        assert is_same_figure(a, b) and is_same_figure(b, a)
    for a, b in TWO:
        assert not is_same_figure(a, b) and not is_same_figure(b, a)
