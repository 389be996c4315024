"""Models of xgboost and LightGBM: what the libraries say of them, in files of any size, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import jsonwalk, lightgbm, xgboost
from mvcd.inspect.jsonwalk import walk_json
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Digested
from tests.support.reading import reading, tensors_of

DATA = Path(__file__).parent / "data" / "trees"
ANSWERS = json.loads((DATA / "trees.json").read_text())
FILES = sorted(ANSWERS)


@pytest.mark.parametrize("file", FILES)
def test_what_the_libraries_say(file: str) -> None:
    data = (DATA / "old" / file).read_bytes()
    found = tensors_of(data)
    assert found is not None and not found.tensors
    assert found.format == ("lightgbm" if file == "light.txt" else "xgboost")
    told = {key: found.metadata.get(key) for key in ANSWERS[file]}
    assert told == {k: tuple(v) if type(v) is list else v for k, v in ANSWERS[file].items()}
    assert layout(reading(data), len(data)) is None


@pytest.mark.parametrize("name", ["binary", "dart", "linear"])
def test_json_and_ubjson_say_the_same(name: str) -> None:
    files = [
        tensors_of((DATA / "old" / f"{name}.{suffix}").read_bytes()) for suffix in ("json", "ubj")
    ]
    assert files[0] is not None and files[0] == files[1]


def test_parameters_are_numbers_where_they_can_be() -> None:
    found = tensors_of((DATA / "old" / "binary.json").read_bytes())
    assert found is not None and found.metadata["parameters"] == {"scale_pos_weight": 0.5}
    light = tensors_of((DATA / "old" / "light.txt").read_bytes())
    assert light is not None
    said = light.metadata["parameters"]
    assert isinstance(said, dict)
    assert (said["learning_rate"], said["num_leaves"], said["boosting"]) == (0.1, 4, "gbdt")


@pytest.mark.parametrize("window", [1, 7, 64])
def test_json_is_read_by_windows_of_any_size(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (DATA / "old" / "dart.json").read_bytes()
    whole = tensors_of(data)
    monkeypatch.setattr(jsonwalk, "_WINDOW_BYTES", window)
    assert whole is not None and tensors_of(data) == whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def scalars(value: object, path: tuple[str, ...] = (), *, listed: bool = False):  # type: ignore[no-untyped-def]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item, (*path, "*"), listed=True)
    elif isinstance(value, str) or not listed:
        yield path, value


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_is_walked_as_json_reads_it(value: object, indent: int | None, escaped: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    heard: list[object] = []
    walk_json(reading(data), len(data), lambda path, scalar: heard.append((path, scalar)))
    assert heard == list(scalars(value))


def test_many_names_are_digested() -> None:
    data = (DATA / "old" / "binary.json").read_bytes()
    names = json.dumps([f"f{i}" for i in range(100)]).encode()
    model = json.loads(data)
    model["learner"]["feature_names"] = json.loads(names)
    found = tensors_of(json.dumps(model, separators=(",", ":")).encode())
    assert found is not None
    told = found.metadata["feature_names"]
    assert isinstance(told, Digested) and (told.kind, told.count) == ("text", 100)


@pytest.mark.parametrize(
    "data",
    [
        b'{"learner":' + b"[" * 100_000 + b"1",
        b'{"learner":' + b'{"a":' * 100_000 + b"1",
        b'{"learner":{"gradient_booster":{"name":"' + b"a" * (3 << 20),
        b'{"learner":{"gradient_booster":{"name":7e',
        b'{"learner":{}}' + bytes(20),
    ],
)
def test_json_that_is_no_model(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        xgboost.read(reading(data), len(data))


@pytest.mark.parametrize(
    "tail", [b"[$d#L\x7f" + b"\xff" * 7, b"[#L\x7f" + b"\xff" * 7, b"[$Z#L\x7f" + b"\xff" * 7, b"[" * 90_000,
             b"SL\x7f" + b"\xff" * 7, b"[$d]", b"Q"],
)  # fmt: skip
def test_lengths_of_ubjson_that_lie(tail: bytes) -> None:
    data = b"{L" + (7).to_bytes(8, "big") + b"learner" + tail
    with pytest.raises(NotThisFormat):
        xgboost.read(reading(data), len(data))


@pytest.mark.parametrize(
    "text",
    [
        "tree\nversion=v4\ntree_sizes=99999999999\n\nTree=0\nnum_leaves=1\n" + " " * 60,
        "tree\nversion=v4\ntree_sizes=-1\n\nTree=0\nnum_leaves=1\n" + " " * 60,
        "tree\nversion=v4\ntree_sizes=20\n\nTree=0\nnum_cat=1\n" + " " * 60,
        "tree\nversion=v4\n" + "a" * 200,
    ],
)
def test_text_that_is_no_model_of_lightgbm(text: str) -> None:
    with pytest.raises(NotThisFormat):
        lightgbm.read(reading(text.encode()), len(text))


@settings(deadline=None)
@given(data=st.data(), name=st.sampled_from(FILES))
def test_damage_is_read_or_refused(data: st.DataObject, name: str) -> None:
    damaged = bytearray((DATA / "old" / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = tensors_of(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]))
    assert found is None or not found.tensors
