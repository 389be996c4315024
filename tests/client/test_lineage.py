"""What made a version, and what was made from it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mvc as package
from mvc.api.lineage import Lineage
from tests.support.commandline import Mvc, write


@pytest.fixture
def repo(saved: Path) -> package.Repo:
    """FIRST, SECOND, then a run that makes weights, then a commit on it."""
    repo = package.Repo(saved)
    repo.run([sys.executable, "-c", "open('w.bin', 'w').write('weights')"], seed=4)
    write(saved, {"w.bin": "tuned"})
    repo.commit("tune")
    return repo


def test_components_are_dated(repo: package.Repo) -> None:
    found = repo.lineage("v3")
    since = {o.component.value: o.since_number for o in found.origins}
    assert since == {
        "architecture": 2, "weights": 3, "hyperparameters": 2, "data": 2, "results": 3,
    }  # fmt: skip
    assert (found.seed, [p.number for p in found.parents]) == (4, [2])
    assert [(c.number, c.message) for c in found.children] == [(4, "tune")]
    assert found.parent_weights == tuple(
        o.root for o in repo.lineage("v2").origins if o.component.value == "weights"
    )


def test_a_later_commit_is_not_the_run(repo: package.Repo) -> None:
    assert repo.lineage("v4").seconds is None
    assert repo.lineage("v3").seconds is not None


def test_prov_names_everything_it_relates(repo: package.Repo) -> None:
    document = repo.lineage("v3").prov()
    known = {*document["entity"], *document["activity"], *document["agent"]}
    relations = "wasGeneratedBy used wasDerivedFrom wasAssociatedWith hadMember".split()
    assert set(document) == {"prefix", "entity", "activity", "agent", *relations}
    for relation in relations:
        assert document[relation]
        for pair in document[relation].values():
            assert set(pair.values()) <= known
    (activity,) = document["activity"].values()
    assert activity["prov:startTime"] <= activity["prov:endTime"]
    assert all(name.startswith("mvc:") for name in known)


def test_openlineage_is_a_run_event(repo: package.Repo) -> None:
    event = repo.lineage("v3").openlineage()
    assert set(event) == {
        "eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL",
    }  # fmt: skip
    assert {d["name"].split("/")[0] for d in event["inputs"]} == {
        "architecture", "hyperparameters", "data", "weights",
    }  # fmt: skip
    assert {d["name"] for d in event["outputs"]} == {"weights", "results", "version"}
    for dataset in event["inputs"] + event["outputs"]:
        assert len(dataset["facets"]["version"]["datasetVersion"]) == 64


def test_documents_are_the_same_each_time(repo: package.Repo) -> None:
    def documents(found: Lineage) -> tuple[str, str]:
        return json.dumps(found.prov()), json.dumps(found.openlineage())

    assert documents(repo.lineage("v3")) == documents(repo.lineage("v3"))


def test_the_screen_and_the_files(repo: package.Repo, mvc: Mvc, tmp_path: Path) -> None:
    shown = mvc("lineage", "v3").out
    assert "as of v2" in shown and "new here" in shown and "seed 4" in shown and "tune" in shown
    document = mvc("lineage", "v3", "--json").json
    assert document["schema_version"] == 1 and document["number"] == 3
    picture = tmp_path / "family.png"
    mvc("lineage", "v3", "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    exported = tmp_path / "prov.json"
    mvc("lineage", "v3", "--format", "prov", "-o", str(exported))
    assert json.loads(exported.read_text()) == repo.lineage("v3").prov()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-o", "x"], 2),
        (["--plot", "x.gif"], 2),
        (["v9"], 1),
        (["--format", "other"], 2),
    ],
)
def test_what_makes_no_sense_is_refused(
    repo: package.Repo, mvc: Mvc, words: list[str], code: int
) -> None:
    assert mvc("lineage", *words, code=code).err


def test_before_the_first_commit(mvc: Mvc) -> None:
    mvc("init")
    assert "v0" in mvc("lineage", code=1).err


def test_messages_are_shown_harmless(saved: Path, mvc: Mvc, tmp_path: Path) -> None:
    write(saved, {"x.csv": "1"})
    mvc("commit", "-m", "\x1b[31m<script>alert(1)</script>")
    assert "\x1b" not in mvc("lineage").out
    page = tmp_path / "x.html"
    mvc("lineage", "--plot", str(page))
    assert "<script>alert" not in page.read_text()
