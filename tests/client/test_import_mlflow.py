"""`mvc import mlflow`: stores written here as MLflow lays them out, in files and in SQLite."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest

import mvc as api
from tests.support.commandline import Mvc, write
from tests.support.githistory import state_of

pytestmark = pytest.mark.usefixtures("work")

A, B, C, D = (letter * 32 for letter in "abcd")


def run_files(
    experiment: str,
    id: str,
    name: str,
    start_ms: int,
    more: dict[str, str | bytes],
    status: int = 3,
) -> dict[str, str | bytes]:
    top = f"mlruns/{experiment}/{id}"
    meta = (
        f"artifact_uri: file:///moved/{id}/artifacts\nlifecycle_stage: active\nrun_id: {id}\n"
        f"run_name: {name}\nstart_time: {start_ms}\nstatus: {status}\nuser_id: ada\n"
    )
    return {f"{top}/meta.yaml": meta, **{f"{top}/{path}": data for path, data in more.items()}}


@pytest.fixture
def store(work: Path) -> Path:
    experiment = "artifact_location: x\nlifecycle_stage: active\nname: {}\n"
    files: dict[str, str | bytes] = {
        "mlruns/0/meta.yaml": experiment.format("Default"),
        "mlruns/7/meta.yaml": experiment.format("iris/tuning"),
        "mlruns/9/meta.yaml": experiment.format("gone").replace("active", "deleted"),
    }
    files |= run_files("7", B, "second", 1_700_000_002_000, {"artifacts/m/model.pkl": b"two"})
    files |= run_files("7", A, "first", 1_700_000_001_500, {
        "params/lr": "1e-3", "params/model/depth": "3", "params/name": "no", "params/flag": "True",
        "params/odd": "1_000", "params/nan": "nan",
        "metrics/val/acc": "1700000001600 0.5 0\n1700000001700 0.75 1\n1700000001750 0.8 1\n",
        "metrics/loss": "1700000001600 nan 0\n", "artifacts/model.pkl": b"one",
        "tags/mlflow.user": "grace", "tags/mlflow.source.git.commit": "ab" * 20,
        "tags/mlflow.note.content": "a note", "tags/team": "blue",
    })  # fmt: skip
    files |= run_files("0", C, "alone", 1_700_000_000_000, {"params/x": "1"}, status=4)
    files |= run_files("9", D, "gone", 1, {})
    files["mlruns/7/models/m-1/meta.yaml"] = f"name: net\nsource_run_id: {B}\n"
    files["mlruns/7/models/m-1/artifacts/MLmodel"] = "flavors: {}\n"
    files["mlruns/models/iris/meta.yaml"] = "name: iris\n"
    files["mlruns/models/iris/version-1/meta.yaml"] = f"run_id: {A}\nversion: 1\n"
    files["mlruns/models/iris/version-2/meta.yaml"] = f"run_id: {B}\nversion: 2\n"
    files["mlruns/models/iris/aliases/champion"] = "2"
    write(work, files)
    return work / "mlruns"


def test_files(mvc: Mvc, store: Path, work: Path) -> None:
    before = state_of(store)
    ran = mvc("import", "mlflow", "mlruns", "out")
    assert "Imported 3 versions, 2 branches, 3 tags from mlruns into" in ran.out
    assert not ran.err
    assert state_of(store) == before
    repo = api.Repo.open(work / "out")
    assert {b.name for b in repo.branches()} == {"Default", "iris/tuning"}
    assert repo.head.branch == "iris/tuning"
    second, first = repo.log("iris/tuning")
    assert first.hyperparameters == {
        "lr": 1e-3, "model/depth": 3, "name": "no", "flag": True, "odd": "1_000", "nan": "nan",
    }  # fmt: skip
    assert first.message == f"first\n\na note\n\nMLflow run {A}"
    assert (first.author, first.time.timestamp()) == ("grace", 1_700_000_001.5)
    assert first.provenance.git_commit == "ab" * 20
    assert math.isnan(first.metrics["metrics.json:loss"] if "metrics.json:loss" in first.metrics
                      else first.metrics["loss"])  # type: ignore[arg-type]  # fmt: skip
    assert repo.read("history.csv", first.id).decode() == (
        "step,timestamp,loss,val/acc\n0,1700000001600,nan,0.5\n1,1700000001700,,0.75\n"
        "1,1700000001750,,0.8\n"
    )
    assert {f.path: repo.read(f.path, first.id) for f in repo.ls(first.id)}.keys() == {
        "params.yaml", "metrics.json", "history.csv", "tags.json", "artifacts/model.pkl",
    }  # fmt: skip
    assert repo.read("tags.json", first.id) == b'{\n  "team": "blue"\n}\n'
    assert {f.path: repo.read(f.path, second.id) for f in repo.ls(second.id)} == {
        "artifacts/m/model.pkl": b"two", "models/net/MLmodel": b"flavors: {}\n",
    }  # fmt: skip
    assert second.author == "ada"
    assert repo.show("Default").message == f"alone\n\nMLflow run {C}, failed"
    tags = {t.name: t.version for t in repo.tags()}
    assert tags == {"iris/v1": first.id, "iris/v2": second.id, "iris/champion": second.id}
    repo.close()
    write(work, run_files("7", "e" * 32, "third", 1_700_000_003_000, {"params/lr": "2"}))
    assert mvc("import", "mlflow", ".", "out", "--json").json["versions"] == 1
    assert (work / "out" / "params.yaml").read_text() == '"lr": 2\n'


SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, name TEXT, experiment_id INTEGER, user_id TEXT, status TEXT,
    start_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
CREATE TABLE model_versions (name TEXT, version INTEGER, run_id TEXT);
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT);
"""


def test_sqlite(mvc: Mvc, work: Path) -> None:
    write(work, {"artifacts of a/model.pkl": b"one"})
    database = sqlite3.connect(work / "mlflow.db")
    database.executescript(SCHEMA)
    database.execute("INSERT INTO experiments VALUES (0, 'Default', 'active')")
    uri = (work / "artifacts of a").as_uri()
    rows = [(A, "first", 1000, uri, "active"), (B, "second", 2000, "s3://x/y", "active"),
            (C, "gone", 3000, "", "deleted")]  # fmt: skip
    for id, name, start, where, stage in rows:
        database.execute(
            "INSERT INTO runs VALUES (?, ?, 0, 'ada', 'FINISHED', ?, ?, ?)",
            (id, name, start, stage, where),
        )
    database.execute("INSERT INTO params VALUES ('lr', '0.1', ?)", (A,))
    database.execute("INSERT INTO tags VALUES ('team', 'blue', ?)", (A,))
    for step, value in ((1, 0.75), (0, 0.5)):
        database.execute("INSERT INTO metrics VALUES ('acc', ?, 7, ?, ?, 0)", (value, A, step))
    database.execute("INSERT INTO model_versions VALUES ('iris', 1, ?)", (A,))
    database.execute("INSERT INTO model_versions VALUES ('iris', 2, ?)", (C,))
    database.execute("INSERT INTO registered_model_aliases VALUES ('champion', 1, 'iris')")
    database.commit()
    database.close()
    before = state_of(work)
    ran = mvc("import", "mlflow", "mlflow.db", "out")
    assert f"artifacts of run {B} are at s3://x/y, and left out" in ran.err
    assert "iris/v2: its run is not there" in ran.err
    assert {p: s for p, s in state_of(work).items() if not p.startswith("out/")} == before
    repo = api.Repo.open(work / "out")
    second, first = repo.log()
    assert (first.hyperparameters, second.files) == ({"lr": 0.1}, 0)
    assert repo.read("artifacts/model.pkl", first.id) == b"one"
    assert repo.read("history.csv", first.id) == b"step,timestamp,acc\n0,7,0.5\n1,7,0.75\n"
    assert {t.name: t.version for t in repo.tags()} == {
        "iris/v1": first.id, "iris/champion": first.id,
    }  # fmt: skip
    repo.close()


def test_mistakes(mvc: Mvc, work: Path) -> None:
    write(work, {"file": "x", "dir/x": "x"})
    assert "is no database of MLflow" in mvc("import", "mlflow", "file", "o", code=1).err
    assert "has no runs of MLflow" in mvc("import", "mlflow", "dir", "o", code=1).err
    assert "nowhere does not exist" in mvc("import", "mlflow", "nowhere", "o", code=1).err
    assert not (work / "o").exists()
