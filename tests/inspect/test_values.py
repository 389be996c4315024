"""Settings and metrics from files: what is read, what is refused, and what holds for all of it."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import settings as hyp_settings
from hypothesis import strategies as st

from mvcd.inspect.flatten import (
    MAX_KEY_CHARACTERS,
    MAX_KEYS,
    MAX_LEVELS,
    MAX_TEXT_CHARACTERS,
    flatten,
)
from mvcd.inspect.values import MAX_BYTES, Parsed, merge_values, parse_settings
from tests.support.reading import parse_metrics


def settings(path: str, text: str) -> dict[str, object]:
    parsed = parse_settings(path, text.encode())
    assert parsed.problem is None
    return dict(parsed.values)


def metrics(path: str, text: str) -> dict[str, object]:
    parsed = parse_metrics(path, text.encode())
    assert parsed.problem is None
    return dict(parsed.values)


SAME = {
    "opt.lr": 0.001,
    "opt.betas.0": 0.9,
    "opt.betas.1": 0.999,
    "seed": 7,
    "amp": True,
    "name": "a b",
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("params.yaml", "opt: {lr: 1e-3, betas: [0.9, 0.999]}\nseed: 7\namp: true\nname: a b\n"),
        ("x/P.YML", "opt:\n  lr: 0.001\n  betas:\n  - 0.9\n  - 0.999\nseed: 7\namp: True\nname: 'a b'"),
        ("p.json", '{"opt":{"lr":1e-3,"betas":[0.9,0.999]},"seed":7,"amp":true,"name":"a b"}'),
        ("p.json", '\ufeff{"opt":{"lr":1e-3,"betas":[0.9,0.999]},"seed":7,"amp":true,"name":"a b"}'),
        ("p.toml", 'seed = 7\namp = true\nname = "a b"\n[opt]\nlr = 1e-3\nbetas = [0.9, 0.999]\n'),
    ],
)  # fmt: skip
def test_settings_read_alike_in_every_format(path: str, text: str) -> None:
    assert settings(path, text) == SAME
    if not path.endswith("toml"):
        assert metrics(path, text) == SAME


def test_toml_dates_and_large_integers_are_text() -> None:
    assert settings(
        "p.toml", "d = 2024-01-02\nt = 2024-01-02T03:04:05Z\nn = 99999999999999999999"
    ) == {
        "d": "2024-01-02",
        "t": "2024-01-02T03:04:05+00:00",
        "n": "99999999999999999999",
    }


def test_metrics_need_not_be_finite() -> None:
    found = metrics("metrics.json", '{"loss": NaN, "best": -Infinity, "n": 9223372036854775808}')
    assert math.isnan(found.pop("loss"))  # type: ignore[arg-type]
    assert found == {"best": -math.inf, "n": "9223372036854775808"}


def test_json_lines_give_the_last_whole_object() -> None:
    assert metrics("log.jsonl", '{"step": 1}\n{"step": 2, "x": "\u2028"}\n\n') == {
        "step": 2,
        "x": "\u2028",
    }
    assert metrics("log.jsonl", '{"step": 1}\r\n{"step": 2}\r\n[3]\n{"step": 3, "lo') == {"step": 2}


def test_tables_give_the_last_row() -> None:
    text = 'epoch,loss,note,ok\n1,0.5,first,False\n2,2.5e-1,"a, b",True\n'
    expected = {"epoch": 2, "loss": 0.25, "note": "a, b", "ok": True}
    assert metrics("metrics.csv", text) == expected
    assert metrics("m.tsv", "step\tloss\n1\t0.5\n2\tnan\n")["step"] == 2


def test_tables_of_lightning_are_filled_from_above() -> None:
    text = "epoch,step,train_loss,val_loss,never\n0,9,0.9,,\n0,9,,0.8,\n1,19,0.7,,\n"
    assert metrics("metrics.csv", text) == {
        "epoch": 1, "step": 19, "train_loss": 0.7, "val_loss": 0.8, "never": None,
    }  # fmt: skip


def test_a_torn_last_row_and_nameless_columns() -> None:
    assert metrics("m.csv", ",loss\n0,0.5\n1,0.25\n2") == {"0": 1, "loss": 0.25}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1_000", "1_000"), ("٣", "٣"), ("0x10", "0x10"), ("-0", 0), ("1e3", 1000.0), ("inf", math.inf),
     ("1e999", math.inf), ("9" * 19, "9" * 19), ("9" * 30, 1e30), ("TRUE", True), ("nope", "nope")],
)  # fmt: skip
def test_cells(cell: str, value: object) -> None:
    found = metrics("m.csv", f"a,b\n{cell},1\n")["a"]
    assert found == value and type(found) is type(value)


REFUSED = {
    "a.txt": b"lr: 1",
    "noext": b"lr: 1",
    "number.json": b"3",
    "text.yaml": b"hello",
    "broken.json": b'{"a": ',
    "broken.toml": b"a = ",
    "broken.yaml": b"a: [",
    "broken.ini": b"[a]\nkey\n below\n",
    "large.ini": b"#" * (300 << 10),
    "latin1.json": b'{"a": "\xe9"}',
    "surrogate.json": b'{"\\ud800": 1}',
    "deep.json": b"[" * 200_000,
    "deep.toml": b"a = " + b"[" * 100_000,
    "dotted.toml": b"a." * 100_000 + b"a = 1",
    "quoted.toml": b'"a" . ' * 40_000 + b"a = 1",
    "large.toml": b"#" * (300 << 10),
    "large.yaml": b"#" * (300 << 10),
    "large.json": b" " * (MAX_BYTES + 1),
    "many.json": json.dumps(list(range(MAX_KEYS + 1))).encode(),
    "digits.json": b'{"a": ' + b"9" * 5000 + b"}",
    "long-key.json": json.dumps({"k" * (MAX_KEY_CHARACTERS + 1): 1}).encode(),
    "nul.csv.json": b"\0",
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_can_not_be_read_gives_a_reason(path: str) -> None:
    parsed = parse_settings(path, REFUSED[path])
    assert parsed.values == {} and parsed.problem


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("m.csv", b""),
        ("m.csv", b"a,b\n"),
        ("m.csv", b"a,b\n1\n"),
        ("m.csv", b'a,b\n"' + b"x" * 200_000),
        ("m.csv", b"," * 20_000 + b"\n" + b"," * 20_000),
        ("m.jsonl", b""),
        ("m.jsonl", b"{\n" * 100_000),
        ("m.toml", b"a = 1"),
    ],
)
def test_metrics_that_can_not_be_read_give_a_reason(path: str, data: bytes) -> None:
    parsed = parse_metrics(path, data)
    assert parsed.values == {} and parsed.problem


def test_an_empty_file_says_nothing_and_that_is_no_problem() -> None:
    for path in ("p.yaml", "p.toml"):
        assert parse_settings(path, b"") == Parsed()


@pytest.mark.parametrize(
    "text", ["[],", "{},", '{"a":', '"",', '{"' + "k" * 400 + '":[[],[],[]]},']
)
def test_hostile_json_takes_bounded_memory(text: str) -> None:
    data = ("[" + text * (MAX_BYTES // len(text) - 1)).encode()
    closed = data.rstrip(b",") + b"]"
    tracemalloc.start()
    try:
        for attempt in (data, closed):
            assert not parse_settings("p.json", attempt).values
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_laughs_and_long_shared_keys_end() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 30))
    assert parse_settings("p.yaml", ("l0: &l0 []\n" + levels).encode()).problem
    assert parse_settings("p.yaml", b"a: &a [*a]").problem
    amplified = {"k" * 500: [0] * 9000, "deep": {"x" * 300: {"y" * 300: 1}}}
    assert parse_settings("p.json", json.dumps(amplified).encode()).problem


def test_long_text_is_cut_but_its_change_shows() -> None:
    texts = [settings("p.json", json.dumps({"t": "x" * 5000 + end}))["t"] for end in "ab"]
    assert texts[0] != texts[1]
    assert all(len(str(text)) < MAX_TEXT_CHARACTERS + 60 for text in texts)
    assert (
        settings("p.json", json.dumps({"t": "x" * MAX_TEXT_CHARACTERS}))["t"]
        == "x" * MAX_TEXT_CHARACTERS
    )


def test_lone_surrogates_in_text_are_replaced() -> None:
    assert settings("p.json", '{"t": "a\\ud800"}') == {"t": "a?"}


# ---------------------------------------------------------------- flatten and merge

leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text("ab")
trees = st.recursive(
    leaves,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), below),
    max_leaves=15,
)


def plain_flatten(value: object, path: str = "") -> dict[str, object]:
    if not isinstance(value, (dict, list)):
        return {path or "value": value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    flat: dict[str, object] = {}
    for key, below in pairs:
        flat |= plain_flatten(below, f"{path}.{key}" if path else str(key))
    return flat


@hyp_settings(deadline=None)
@given(trees)
def test_flatten_is_the_plain_recursion(tree: object) -> None:
    found = flatten(tree)
    assert found == plain_flatten(tree)
    assert list(found) == list(plain_flatten(tree))


@pytest.mark.parametrize(
    ("tree", "flat"),
    [
        ({"a.b": 1, "a": {"b": 2}}, {'"a.b"': 1, "a.b": 2}),
        ({"a": {"b": 2}, "a.b": 1}, {'"a.b"': 1, "a.b": 2}),
        ({"x": {"a.b": 1, "a": {"b": 2}}}, {'x."a.b"': 1, "x.a.b": 2}),
        (
            {"a.b": {"c": 1}, "a": {"b.c": 2, "b": {"c": 3}}},
            {'"a.b".c': 1, 'a."b.c"': 2, "a.b.c": 3},
        ),
        ({"a.b": 1}, {"a.b": 1}),
    ],
)
def test_keys_with_dots_and_nested_ones_are_both_kept(tree: object, flat: object) -> None:
    assert flatten(tree) == flat


def test_flatten_at_its_limits() -> None:
    def nested(depth: int) -> object:
        return 1 if depth == 0 else {"k": nested(depth - 1)}

    assert flatten(nested(MAX_LEVELS)) == {".".join("k" * MAX_LEVELS): 1}
    assert len(flatten(list(range(MAX_KEYS)))) == MAX_KEYS
    for too_much in (
        nested(MAX_LEVELS + 1),
        list(range(MAX_KEYS + 1)),
        {"k" * (MAX_KEY_CHARACTERS + 1): 1},
    ):
        with pytest.raises(ValueError, match="key"):
            flatten(too_much)


def test_the_first_file_keeps_the_key() -> None:
    files = [
        ("config/a.yaml", {"lr": 2, "b": 1}),
        ("params.yaml", {"lr": 1, "seed": 3}),
        ("config/b.yaml", {"lr": 3, "config/a.yaml:lr": "odd"}),
    ]
    expected = {
        "lr": 1,
        "seed": 3,
        "config/a.yaml:lr": 2,
        "b": 1,
        "config/b.yaml:lr": 3,
        "config/b.yaml:config/a.yaml:lr": "odd",
    }
    assert merge_values(files) == merge_values(files[::-1]) == expected


@hyp_settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "d/a", "d/b"]),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(), max_size=3),
    )
)
def test_merging_loses_nothing_whatever_the_order(files: dict[str, dict[str, int]]) -> None:
    merged = merge_values(list(files.items()))
    assert merged == merge_values(list(reversed(files.items())))
    assert len(merged) == sum(map(len, files.values()))
    for path, values in files.items():
        for key, value in values.items():
            assert merged.get(f"{path}:{key}", merged[key]) == value


@hyp_settings(deadline=None)
@given(
    suffix=st.sampled_from("yaml json toml ini csv tsv jsonl log txt".split()),
    data=st.binary(max_size=80) | st.text('ab=[]{}:",;#\n\r\t 0.5', max_size=60).map(str.encode),
)
def test_any_bytes_give_values_or_a_reason(suffix: str, data: bytes) -> None:
    for parse in (parse_settings, parse_metrics):
        parsed = parse(f"f.{suffix}", data)
        assert parsed.problem is None or not parsed.values
