"""What `mvc diff` shows, pinned: `data/diff.txt` holds the screens of one pair of versions in every form.

After a change that is meant, bless it:  MVC_BLESS=1 pytest tests/client/test_diff_screens.py
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

import mvc as package
from mvc import Repo
from mvc.cli import text
from mvc.cli.screens.diff import folding
from mvc.cli.screens.diff.folding import joined, layers, ranges
from mvcd.objects.version import Component
from tests.support.commandline import AUTHOR, Mvc, write
from tests.support.engine import Repository
from tests.support.pruning import prune

PINNED = Path(__file__).parent / "data" / "diff.txt"
FORMS = [
    ["diff", "v1", "v2"],
    ["diff", "v1", "v2", "--color", "always", "--component", "results"],
    ["diff", "v1", "v2", "-v", "--component", "architecture"],
    ["diff", "v1", "v2", "--component", "weights"],
    ["diff", "v1", "v2", "--component", "data", "--columns"],
    ["diff", "v1", "v2", "--stat"],
    ["diff", "v1", "v2", "--md"],
    ["diff", "v2", "v3"],
    ["diff", "v2", "v3", "--stat"],
    ["diff", "v2", "v2", "--md"],
]


def network(blocks: int, name: str, vocabulary: int) -> bytes:
    random = np.random.default_rng(7)
    tensors = {}
    for block in range(blocks):
        for part, shape in (("attn.q", (8, 8)), ("mlp.up", (32, 8)), ("norm", (8,))):
            tensors[f"{name}.h.{block}.{part}.weight"] = random.normal(size=shape).astype(
                np.float32
            )
    tensors["embed.weight"] = np.zeros((vocabulary, 8), np.float32)
    return save(tensors)


def experiment(directory: Path) -> None:
    """Three versions: of the second everything differs, of the third only weights."""
    repo = Repo.init(directory, author=AUTHOR)
    first: dict[str, str | bytes] = {
        "config.json": json.dumps({"hidden": 8, "layers": 4, "rope": {"theta": 1e4}, "vocab": 100}),
        "train.py": "".join(f"line {n}\n" for n in range(9)),
        "requirements.txt": "torch==2.1.0\nnumpy\n",
        "model.safetensors": network(4, "gpt", 100),
        "params.yaml": "optim: {lr: 1e-3, name: adam}\nseed: 1\n",
        "metrics.json": '{"val": {"loss": 1.2, "acc": 0.5, "f1": 0.8}, "epoch": 1, "train": {"loss": 1.0}}',
        "data/users.csv": "id,age,city\n" + "".join(f"{n},{n % 50},c{n % 3}\n" for n in range(200)),
        **{f"data/train/cat/{n}.png": f"cat {n}" for n in range(12)},
    }
    second: dict[str, str | bytes] = {
        "config.json": json.dumps({"hidden": 8, "layers": 6, "rope": {"theta": 1e6}, "vocab": 120}),
        "train.py": "".join(f"line {n if n != 4 else 'four'}\n" for n in range(10)),
        "requirements.txt": "torch==2.2.0\nnumpy\nflash-attn>=2\n",
        "model.safetensors": network(6, "llm", 120),
        "params.yaml": "optim: {lr: 5e-4, name: adamw}\nseed: 1\nname|x: '`evil` | $(cmd)'\n",
        "metrics.json": '{"val": {"loss": 0.9, "acc": 0.75, "f1": 0.7}, "epoch": 2, "train": {"loss": NaN}}',
        "data/users.csv": "id,age,income\n"
        + "".join(f"{n},{n % 60 or ''},{n / 4}\n" for n in range(250)),
        **{f"data/train/cat/{n}.png": f"cat {n}" for n in range(12, 24)},
        "data/test/cat/leak.png": "cat 3",
    }
    for files, message in ((first, "one"), (second, "two")):
        write(directory, files)
        repo.add(".")
        repo.commit(message)
    tensors = bytearray(second["model.safetensors"])  # type: ignore[arg-type]
    tensors[-1] ^= 1
    write(directory, {"model.safetensors": bytes(tensors)})
    repo.commit("three")
    repo.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("experiment")
    experiment(directory)
    return directory


def shown(mvc: Mvc, made: Path, words: list[str]) -> str:
    """The output with ids replaced by letters as many."""
    return re.sub(r"\b[0-9a-f]{10}\b", "x" * 10, mvc("-C", str(made), *words).out)


def test_screens_are_as_pinned(mvc: Mvc, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = "\n".join(f"$ mvc {' '.join(words)}\n{shown(mvc, made, words)}" for words in FORMS)
    found = found.replace("\x1b", "\\e")
    if os.environ.get("MVC_BLESS"):
        PINNED.write_text(found)
    assert found == PINNED.read_text()


def test_screens_fit_eighty_columns(mvc: Mvc, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["diff", "v1", "v2"], ["diff", "v1", "v2", "--stat"]):
        assert [x for x in shown(mvc, made, words).splitlines() if text.width(x) > 80] == []


def test_what_is_not_here_is_said_with_the_way_to_it(
    mvc: Mvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    experiment(tmp_path)
    with Repository.open(str(tmp_path)) as repo:
        prune(repo, "v1", [Component.WEIGHTS, Component.DATA])
    line = "Not here (pruned, or never fetched): weights, data of v1"
    way = "mvc remote add origin URL && mvc config set partial.remote origin"
    whole = shown(mvc, tmp_path, ["diff", "v1", "v2"]).splitlines()
    assert whole[-2:] == [line, way]
    assert any(row.startswith("data             changed: 13 files, ") for row in whole)
    assert "  ~ train.py   +2 -1" in whole
    assert shown(mvc, tmp_path, ["diff", "v1", "v2", "--stat"]).splitlines()[-2:] == [line, way]
    assert f"⚠️ {line}" in shown(mvc, tmp_path, ["diff", "v1", "v2", "--md"]).splitlines()
    assert line in shown(mvc, tmp_path, ["show", "v1"]).splitlines()
    absent = mvc("-C", str(tmp_path), "diff", "v1", "v2", "--json").json["absent"]
    assert (list(absent["components"]), absent["help"]) == (["weights", "data"], way)
    tensors = shown(mvc, tmp_path, ["diff", "v1", "v2", "--tensors", "--columns"])
    assert "tensors  not compared, their content is not here" in tensors
    blame = shown(mvc, tmp_path, ["blame", "data/users.csv"])
    assert "or an earlier version: before this one it is not here" in blame
    assert blame.splitlines()[-1].strip() == way
    unknown = mvc("-C", str(tmp_path), "blame", "nonsense", "--rev", "v1", code=1).err
    assert unknown.splitlines()[-1] == f"help: {way}"
    assert "Its files are not here" in shown(mvc, tmp_path, ["card", "v1"])


def test_json(mvc: Mvc, made: Path) -> None:
    document = mvc("-C", str(made), "diff", "v1", "v2", "--columns", "--json").json
    (model,) = document["architecture"]["models"]
    assert (model["old"], model["new"]) == ("model", "model")
    assert len(model["layers"]["renamed"]) == 12
    assert model["layers"]["reshaped"] == [
        {
            "old": {"name": "embed.weight", "dtype": "F32", "shape": [100, 8]},
            "new": {"name": "embed.weight", "dtype": "F32", "shape": [120, 8]},
        }
    ]
    assert model["modules"]["embed"] == {"old": 800, "new": 960}
    assert document["architecture"]["config"]["config.json"]["vocab"] == {
        "old": 100, "new": 120, "diff": 20, "percent": 20.0,
    }  # fmt: skip
    assert document["architecture"]["environment"][0] == {
        "package": "flash-attn", "old": None, "new": ">=2", "path": "requirements.txt",
    }  # fmt: skip
    (table,) = document["data"]["tables"]
    assert (table["columns_added"], table["columns_removed"]) == (["income"], ["city"])
    assert table["new"]["rows"] == 250
    assert table["new"]["columns"][1] == {
        "name": "age", "type": "int",
        "summary": {
            "missing": 5, "distinct": 59, "distinct_more": False, "min": 1.0, "max": 59.0,
            "mean": pytest.approx(29.3, abs=1),
        },
    }  # fmt: skip
    assert document["data"]["images"]["data/train/cat"] == {"old": 12, "new": 24}
    assert document["data"]["overlaps"][0]["splits"] == ["train", "test"]
    plain = mvc("-C", str(made), "diff", "v1", "v2", "--json").json
    assert plain["data"]["tables"][0]["new"]["columns"][0] == {
        "name": "id", "type": None, "summary": None,
    }  # fmt: skip
    assert document["metrics"]["train.loss"]["better"] is False


def test_from_python(made: Path) -> None:
    repo = Repo(made)
    diff = repo.diff("v1", "v2")
    assert diff.results["val.loss"].better is True
    assert diff.results["val.loss"].percent == pytest.approx(-25)
    assert diff.hyperparameters["optim.lr"].percent == pytest.approx(-50)
    assert diff.architecture.layers[0].parameters == (2112, 2928)
    assert [p.package for p in diff.architecture.environment] == ["flash-attn", "torch"]
    assert diff.data.rows == (200, 250)
    assert diff.columns["data/users.csv"].new.summaries["income"].max == 62.25  # type: ignore[union-attr]
    some = repo.diff("v1", "v2", components=["weights"])
    assert some.architecture == package.ArchitectureChange()
    assert (some.data, dict(some.columns)) == (package.DataChange(), {})
    repo.close()


def test_own_directions(mvc: Mvc, saved: Path) -> None:
    write(saved, {"mvc.toml": '[metrics]\nlower = ["val.acc*"]\n'})
    assert mvc("diff", "v1", "v2", "--json").json["metrics"]["val.accuracy"]["better"] is False
    write(saved, {"mvc.toml": '[metrics]\nbetter = ["x"]\n'})
    error = mvc("diff", "v1", "v2", code=1).err
    assert "the [metrics] table of mvc.toml is wrong" in error
    assert 'lower = ["*distance*"]' in error


def test_forms_exclude_nothing_they_need(mvc: Mvc, made: Path) -> None:
    assert mvc("-C", str(made), "diff", "v1", "v2", "--stat", "--exit-code", code=1).out
    assert mvc("-C", str(made), "diff", "--md").out.endswith("\nNo differences.\n")


# -------------------------------------------------------------------- folding


def test_ranges() -> None:
    assert ranges([3, 1, 2, 7, 7, 9, 10]) == "1-3,7,9-10"
    assert ranges([5]) == "5"


def test_layers_fold_over_their_first_number() -> None:
    def rows(*names: str) -> list[tuple[str, str, str]]:
        return [("added", name, "F32 [8]") for name in names]

    assert layers(rows("h.0.w.1", "h.1.w.1", "x", "h.3.w.1", "h.0.b")) == rows(
        "h.[0-1,3].w.1", "x", "h.0.b"
    )
    experts = rows(*(f"h.{n}.experts.{m}.w" for n in range(3) for m in range(4)))
    assert layers(experts) == rows("h.[0-2].experts.[0-3].w")
    assert layers(experts[:-1]) == rows("h.[0-2].experts.[0-2].w", "h.[0-1].experts.3.w")
    odd = rows("h.#.w", "h.0.w", "h.[0-1].w", "h.1.w", "0", "1", "h.\u0660.w")
    assert layers(odd) == rows("h.#.w", "h.[0-1].w", "h.[0-1].w", "[0-1]", "h.\u0660.w")
    moved = [("renamed", f"a.{n}.w -> b.{n + 1}.w", "") for n in range(3)]
    assert layers(moved) == [("renamed", "a.[0-2].w -> b.[1-3].w", "")]
    assert layers([("added", "w", "F32 [8]"), ("added", "w", "F32 [9]")]) != []
    assert joined("a.[0-2].w -> b.[0-2].w") == "{a -> b}.[0-2].w"
    assert joined("m.a.w -> m.a.b.w") == "m.a.{ -> b}.w"
    assert joined("x -> y") == "x -> y"


def test_files_fold_by_directory_and_suffix() -> None:
    many: list[Any] = [("added", f"d/{n}.png", f"d/{n}.png") for n in range(5)]
    few: list[Any] = [("added", f"e/{n}.png", f"e/{n}.png") for n in range(3)]
    changed: list[Any] = [("modified", f"d/{n}.csv", f"d/{n}.csv") for n in range(9)]
    found = folding.files([*changed, *many, *few])
    assert found[:9] == [(*row, 1) for row in changed]
    assert found[9:] == [("added", "d/*.png", "", 5), *((*row, 1) for row in few)]
    assert folding.files([("deleted", "README", "README")] * 4) == [("deleted", "*", "", 4)]


NAMES = st.lists(st.text("a.01#[-> ", min_size=1, max_size=8), max_size=6)


@given(NAMES)
@hypothesis.settings(max_examples=200, deadline=None)
def test_folding_takes_any_name(names: list[str]) -> None:
    rows = [("added", name, "F32 [8]") for name in names]
    assert len(layers(rows)) <= len(rows)
    assert all(joined(name) for _, name, _ in layers(rows))
