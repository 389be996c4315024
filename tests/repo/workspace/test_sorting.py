"""Commits sort files by content and company: whatever order the files came in, the outcome is the same."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.objects.version import Component
from mvcd.repo.release import card
from tests.support.workspace import Bench


def safetensors(*names: str) -> bytes:
    table = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
        for i, name in enumerate(names)
    }
    head = json.dumps(table).encode()
    return struct.pack("<Q", len(head)) + head + struct.pack(f"<{len(names)}f", *range(len(names)))


MODEL = safetensors("fc.weight", "fc.bias")
STATE = safetensors("state.0.exp_avg", "state.0.step")


def onnx(location: str) -> bytes:
    """A model of one initialiser, whose data lies in the file called `location`."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    def entry(key: str, value: str) -> bytes:
        return field(13, field(1, key.encode()) + field(2, value.encode()))

    places = entry("location", location) + entry("offset", "0") + entry("length", "8")
    tensor = b"\x08\x02\x10\x01" + field(8, b"w") + places + b"\x70\x01"
    return b"\x08\x07" + field(7, field(5, tensor))


def components(bench: Bench, rev: str = "HEAD") -> dict[str, str]:
    return {found.path: found.component.value for found in bench.repo.ls(rev)}


def test_a_file_that_parses_as_tensors_is_weights_whatever_it_is_called(bench: Bench) -> None:
    names = ["odd", "x.txt", "best.pth.tar", "data/model.dat", "cat.png", "net.py", "deep/x.json"]
    bench.save(dict.fromkeys(names, MODEL))
    found = components(bench)
    assert {n for n in names if found[n] == "weights"} == set(names) - {"cat.png", "net.py"}


def test_status_tells_the_part_that_commit_gives(bench: Bench) -> None:
    bench.save({"m/a.txt": "1"})
    bench.write(
        {"m/x.safetensors": MODEL, "m/odd": MODEL, "m/tokenizer.json": "{}", "m/vocab.txt": "a"}
    )
    told = {change.path: change.component.value for change in bench.repo.status().added}
    bench.commit()
    assert told == {p: c for p, c in components(bench).items() if p != "m/a.txt"}
    assert set(told.values()) == {"weights"}


def test_a_model_that_comes_later_takes_its_tokenizer_along(bench: Bench) -> None:
    bench.save({"m/tokenizer.json": "{}", "m/vocab.txt": "a", "o/vocab.txt": "a"})
    assert components(bench)["m/tokenizer.json"] == "architecture"
    bench.save({"m/model.safetensors": MODEL})
    found = components(bench)
    assert (found["m/tokenizer.json"], found["m/vocab.txt"], found["o/vocab.txt"]) == (
        "weights", "weights", "data",
    )  # fmt: skip
    (bench.root / "m/model.safetensors").unlink()
    bench.commit()
    assert components(bench)["m/tokenizer.json"] == "architecture"
    assert not bench.repo.status().modified


def test_a_model_that_names_its_data_makes_it_weights(bench: Bench) -> None:
    bench.save({"m/blob_1": b"12345678", "m/blob_2": b"87654321"})
    bench.save({"m/net.onnx": onnx("blob_1")})
    found = components(bench)
    assert (found["m/blob_1"], found["m/blob_2"]) == ("weights", "data")
    bench.save({"m/net.onnx": onnx("blob_2")})
    found = components(bench)
    assert (found["m/blob_1"], found["m/blob_2"]) == ("data", "weights")


def test_a_part_that_changed_is_no_deletion(bench: Bench) -> None:
    bench.save({"m/net.dat": "text", "m/other.dat": "same"})
    bench.save({"m/net.dat": MODEL})
    diff = bench.repo.diff("HEAD~1", "HEAD")
    weights, data = diff.components[Component.WEIGHTS], diff.components[Component.DATA]
    assert weights.moved == (("m/net.dat", Component.DATA),)
    assert not (weights.added or weights.modified or data.deleted or data.changed)
    assert diff.changed and weights.changed


def test_tensors_of_a_file_that_was_data_before_are_compared(bench: Bench) -> None:
    bench.write({"mvc.toml": '[components]\ndata = ["odd"]\n', "odd": MODEL})
    bench.save({})
    assert components(bench)["odd"] == "data"
    (bench.root / "mvc.toml").unlink()
    changed = MODEL[:-8] + struct.pack("<2f", 0.0, 7.0)
    bench.save({"odd": changed})
    assert components(bench)["odd"] == "weights"
    tensors = bench.repo.diff("HEAD~1", "HEAD").tensors["odd"]
    assert (len(tensors.changed), len(tensors.unchanged)) == (1, 1)


def test_counters_of_a_trainer_tell_metrics_beside_a_model_too(bench: Bench) -> None:
    bench.save({"c/trainer_state.json": '{"epoch": 2.0}', "c/optimizer.pt": STATE})
    assert components(bench)["c/trainer_state.json"] == "weights"
    bench.save({"c/other.txt": "x"})
    assert components(bench)["c/trainer_state.json"] == "weights"


POOL = {
    "m/model.safetensors": MODEL, "m/tokenizer.json": b"{}", "m/vocab.txt": b"a", "m/blob": b"12345678",
    "m/net.onnx": onnx("blob"), "m/optimizer.pt": STATE, "m/trainer_state.json": b"{}", "m/x.csv": b"a,b\n",
    "m/_METADATA": b"{}", "m/d/piece": b"p", "m/sub/deep/piece": b"q", "m/net.xml": b"<x/>", "m/net.bin": b"12",
    "model_index.json": b"{}", "tokenizer/merges.txt": b"a", "odd": MODEL, "README.md": b"# x",
}  # fmt: skip


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.lists(st.sampled_from(sorted(POOL)), max_size=5), min_size=2, max_size=5))
def test_the_order_of_edits_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[str]]
) -> None:
    """Each step brings what is not there of its paths, and takes away what is."""
    grown = Bench(tmp_path_factory.mktemp("grown"))
    here: set[str] = set()
    for step in steps:
        for path in step:
            if path in here:
                (grown.root / path).unlink()
            else:
                grown.write({path: POOL[path]})
            here ^= {path}
        grown.repo.add([str(grown.root)], context=grown.context())
        grown.commit(allow_empty=True)
    fresh = Bench(Path(tmp_path_factory.mktemp("fresh")))
    fresh.save({path: POOL[path] for path in here} or {"x": "1"})
    expected = components(fresh) if here else {}
    assert components(grown) == expected


def test_training_state_is_not_counted_as_the_model_whatever_it_is_called(bench: Bench) -> None:
    both = safetensors("model.fc.weight", "opt.state.0.exp_avg", "opt.state.0.step")
    bench.save({"c/odd.pt": STATE, "c/all.pt": both})
    (facts,) = card.facts(bench.repo._core, [bench.repo.head.version], tables=False)
    assert [(n.name, n.size) for n in facts.networks] == [("c/all", 1)]
    assert {file.path: file.state for file in facts.weights} == {
        "c/odd.pt": True,
        "c/all.pt": False,
    }
    changed = both[:-8] + struct.pack("<2f", 5.0, 6.0)
    bench.save({"c/all.pt": changed, "c/odd.pt": STATE[:-4] + struct.pack("<f", 9.0)})
    tensors = bench.repo.weights(bench.repo.sides("HEAD~1", "HEAD"))
    assert {name: tensor.state for name, tensor in tensors.items()} == {
        "model.fc.weight": False, "opt.state.0.exp_avg": True, "opt.state.0.step": True,
        "state.0.exp_avg": True, "state.0.step": True,
    }  # fmt: skip
