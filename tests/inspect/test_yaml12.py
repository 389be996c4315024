"""YAML's pitfalls and its bombs; JSON, of which YAML 1.2 is a superset, as the judge of the rest."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mvcd.inspect import yaml12
from mvcd.inspect.yaml12 import MAX_CHARACTERS, load

PITFALLS = {
    "1e-3": 1e-3, "1E5": 1e5, "1.": 1.0, ".5": 0.5, "-.5e3": -500.0, "+1": 1, "010": 10, "0o17": 15, "0x1F": 31,
    "no": "no", "on": "on", "Yes": "Yes", "y": "y", "true": True, "FALSE": False, "tRUE": "tRUE",
    "null": None, "~": None, "": None, "Null": None, "nULL": "nULL",
    "1_000": "1_000", "12:30:00": "12:30:00", "2024-01-01": "2024-01-01", "1.2.3": "1.2.3", "0b11": "0b11",
    ".inf": math.inf, "-.INF": -math.inf, "inf": "inf", "1e999": math.inf, "e5": "e5", ".": ".",
    "'1'": "1", '"true"': "true", "!!str 5": "5", "!!float 5": 5, "!unknown 5": 5, "|\n  1\n": "1\n",
    "99999999999999999999": 99999999999999999999,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), PITFALLS.items(), ids=map(repr, PITFALLS))
def test_scalars(text: str, value: object) -> None:
    found = load(f"k: {text}")["k"]
    assert found == value and type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(load("k: .NaN")["k"])


def test_a_configuration_as_people_write_them() -> None:
    text = """
    # anchors, merge keys, flow style, Python tags
    defaults: &defaults {lr: 1e-3, betas: [0.9, 0.999], name: adam}
    runs:
      - <<: *defaults
        lr: 3e-4
      - <<: [{lr: 1}, *defaults]
    again: *defaults
    shape: !!python/tuple [28, 28]
    opts: !!python/object:argparse.Namespace {batch: 32}
    text: >
      folded
      lines
    1: one
    true: yes
    """
    defaults = {"lr": 1e-3, "betas": [0.9, 0.999], "name": "adam"}
    assert load(text) == {
        "defaults": defaults,
        "runs": [{**defaults, "lr": 3e-4}, {**defaults, "lr": 1}],
        "again": defaults,
        "shape": [28, 28],
        "opts": {"batch": 32},
        "text": "folded lines\n",
        "1": "one",
        "true": "yes",
    }


def test_what_a_tag_names_is_a_value() -> None:
    text = """
    opt: !!python/name:torch.optim.adam.Adam ''
    module: !!python/module:torch
    path: !!python/object/apply:pathlib.PosixPath [a, b]
    made: !!python/object:ns.Model {depth: 3}
    own: !Net {width: 2}
    size: !!python/tuple [1, 2]
    env: !env HOME
    """
    assert load(text) == {
        "opt": "torch.optim.adam.Adam",
        "module": "torch",
        "path": {"class": "pathlib.PosixPath", "args": ["a", "b"]},
        "made": {"class": "ns.Model", "depth": 3},
        "own": {"class": "!Net", "width": 2},
        "size": [1, 2],
        "env": "HOME",
    }


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n...\n", "--- ~\n"])
def test_nothing(text: str) -> None:
    assert load(text) is None


WRONG = {
    "two documents": "a: 1\n---\nb: 2\n",
    "unknown alias": "a: *b\n",
    "key that is a list": "? [1]\n: 2\n",
    "merge of a number": "<<: 1\n",
    "tab": "a:\n\t- 1\n",
    "open bracket": "a: [1\n",
    "control character": "a: \x01\n",
    "too large": "a: " + "x" * MAX_CHARACTERS,
    "deep flow": "[" * 10_000,
    "deep blocks": "".join(" " * i + "a:\n" for i in range(200)),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load(text)


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml12, "MAX_NODES", 1000)
    assert len(load("[" + "a," * 999 + "]")) == 999
    with pytest.raises(ValueError, match="values"):
        load("[" + "a," * 1000 + "]")


def test_laughs_stay_small() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 30))
    found = load("l0: &l0 [lol]\n" + levels)
    assert found["l29"][0] is found["l28"]


def test_merge_bombs_are_refused() -> None:
    wide = ", ".join(f"k{i}: 1" for i in range(1000))
    text = f"a: &a {{{wide}}}\n" + "".join(f"b{i}: {{<<: [*a, *a]}}\n" for i in range(100))
    with pytest.raises(ValueError, match="values"):
        load(text)


def test_a_list_may_contain_itself() -> None:
    found = load("a: &a [*a, 1]")
    assert found["a"][0] is found["a"]


def test_reused_anchors_are_allowed() -> None:
    assert load("a: &x 1\nb: *x\nc: &x 2\nd: *x") == {"a": 1, "b": 1, "c": 2, "d": 2}


printable = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=8)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(printable, below, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=documents, indent=st.sampled_from([None, 1]))
def test_json_is_yaml(value: object, indent: int | None) -> None:
    assume("<<" not in str(value))
    assert load(json.dumps({"k": value}, indent=indent)) == {"k": value}


@settings(deadline=None)
@given(st.text("ab:-[]{}&*!|>'\"#%,? \n\t<01.~", max_size=60))
def test_any_text_gives_a_value_or_a_reason(text: str) -> None:
    try:
        load(text)
    except ValueError as error:
        assert str(error)


def test_what_does_not_parse_is_told_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"^line 3: expected ',' or ']'"):
        load("a: 1\nb: [1,\nc: 2 d: 3\n")
