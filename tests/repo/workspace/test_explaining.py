"""`explain`: the part, the rule, how it was read, what was not understood, of the workspace and of versions."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mvcd.errors import Failure, MissingObject
from mvcd.objects.version import Component
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.records.results import Explained
from tests.repo.workspace.test_sorting import MODEL, STATE
from tests.support.engine import Repository
from tests.support.pruning import prune
from tests.support.workspace import Bench


def explained(bench: Bench, *paths: str, rev: str | None = None) -> dict[str, Explained]:
    return {each.path: each for each in bench.repo.explain(paths or (".",), rev)}


def test_each_kind_of_file(bench: Bench) -> None:
    bench.write({
        "odd": MODEL, "c/optimizer.pt": STATE, "c/x.bin": "no tensors in it", "params.yaml": "lr: 0.1\n",
        "broken.yaml": "a: [", "metrics.json": '{"loss": 1, "acc": 2}', "README.md": "# x", "net.py": "pass",
        "torn.safetensors": MODEL[:-1],
    })  # fmt: skip
    found = explained(bench)
    odd = found["odd"]
    assert (odd.component, odd.state, odd.format) == (Component.WEIGHTS, False, "safetensors")
    assert (odd.tensors, odd.parameters, odd.state_tensors, odd.problem) == (2, 2, 0, None)
    assert "content" in odd.rule
    state = found["c/optimizer.pt"]
    assert (state.state, state.tensors, state.parameters, state.state_tensors) == (True, 2, 0, 2)
    assert "bytes" in str(found["c/x.bin"].problem)
    assert found["params.yaml"].values == 1
    assert found["broken.yaml"].values == 0 and found["broken.yaml"].problem
    assert found["metrics.json"].values == 2
    assert found["README.md"].component is Component.DATA
    assert "notes" in found["README.md"].rule
    assert found["net.py"].component is Component.ARCHITECTURE
    assert found["torn.safetensors"].problem == "data not covered"


def test_what_it_says_is_what_a_commit_does(bench: Bench) -> None:
    bench.write(
        {
            "m/model.safetensors": MODEL,
            "m/tokenizer.json": "{}",
            "x.txt": MODEL,
            "data/a.csv": "a\n1\n",
        }
    )
    bench.add()
    before = explained(bench)
    bench.commit()
    after, saved = explained(bench), explained(bench, rev="HEAD")
    for file in bench.repo.ls():
        told = {each[file.path].component for each in (before, after, saved)}
        assert told == {file.component}
        assert before[file.path].recorded is None
        assert after[file.path].recorded is saved[file.path].recorded is file.component


def test_a_version_that_other_rules_made(bench: Bench) -> None:
    bench.write({"mvc.toml": '[components]\ndata = ["odd"]\n', "odd": MODEL})
    bench.save({})
    assert explained(bench, "odd")["odd"].rule == "odd in [components] of mvc.toml"
    bench.remove("mvc.toml")
    odd = explained(bench, "odd", rev="v1")["odd"]
    assert (odd.recorded, odd.component) == (Component.DATA, Component.WEIGHTS)


def test_what_is_not_tracked_and_what_is_not_there(bench: Bench) -> None:
    bench.save({"a.py": "x"})
    bench.repo.untrack([bench.path(".")], context=bench.context())
    bench.write({"other/odd": MODEL, "other/tokenizer.json": "{}", "other/m.safetensors": MODEL})
    found = explained(bench, "other")
    assert {each.component for each in found.values()} == {Component.WEIGHTS}
    for path, rev in (("nowhere", None), ("nowhere", "v1")):
        with pytest.raises(Failure, match="has no nowhere"):
            explained(bench, path, rev=rev)


def test_content_that_is_not_here_is_told(bench: Bench) -> None:
    bench.save({"odd": MODEL + b"x" * 4096, "other.bin": b"z" * 4096})
    bench.save({"odd": b"y" * 4096})
    prune(bench.repo, "v1", [Component.WEIGHTS, Component.DATA])
    with pytest.raises(MissingObject):
        explained(bench, rev="v1")
    assert explained(bench, "odd")["odd"].component is Component.DATA


def test_what_is_left_out_of_a_workspace(bench: Bench, tmp_path: Path) -> None:
    bench.save(
        {"c/model.safetensors": MODEL, "c/optimizer.pt": STATE, "a.csv": "a", "c/vocab.txt": "a"}
    )
    wanted = Wanted(frozenset({Component.WEIGHTS}), None, state=False)
    where = tmp_path / "some"
    clone, _ = Repository.clone(
        str(bench.root), str(where), wanted=wanted, context=bench.context(), secret=lambda _: {}
    )
    with clone:
        found = {each.path: each for each in clone.explain(["."])}
        assert set(found) == {"c/model.safetensors", "c/vocab.txt"}
        assert found["c/vocab.txt"].problem is None
        with pytest.raises(Failure, match=r"has no a\.csv") as told:
            list(clone.explain(["a.csv"]))
        assert "mvc explain HEAD:a.csv" in str(told.value.help)


def test_ten_thousand_files_take_less_than_two_seconds(bench: Bench) -> None:
    """Twice that, in processor time of this process, is allowed to a machine under load."""
    bench.write({f"d{i % 100}/{i}.txt": f"{i}" for i in range(8000)})
    bench.write({f"w{i % 100}/{i}.safetensors": MODEL for i in range(2000)})
    bench.save({})
    began = time.process_time()
    assert len(explained(bench)) == 10_000
    assert time.process_time() - began < 4
