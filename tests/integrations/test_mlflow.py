"""MLflow's artifacts in versions, with the real library; `pytest -m tools` once it is installed."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore
from tests.support.commandline import write

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("work")]


@pytest.fixture(autouse=True, scope="module")
def pools_end() -> Iterator[None]:
    """MLflow keeps the artifact repositories of 1,024 runs, each with its pool of threads."""
    yield
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
    gc.collect()


@pytest.fixture
def bare(tmp_path: Path) -> str:
    LmdbStore.create(tmp_path / "bare").close()
    return str(tmp_path / "bare")


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    # tqdm, where it is installed, watches progress bars with a thread that lives as long as the process
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = f"file://{tmp_path}/tracking"
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)


def held(bare: str, rev: str) -> dict[str, bytes]:
    repo = mvc.Repo.open(bare)
    try:
        return {row.path: repo.read(row.path, rev) for row in repo.ls(rev)}
    finally:
        repo.close()


def test_a_run_logs_lists_and_brings_artifacts(bare: str, tracking: str, tmp_path: Path) -> None:
    import mlflow
    from mlflow import MlflowClient

    write(tmp_path, {"out/model.bin": b"w" * 5000, "out/deep/er.txt": b"x", "one.txt": b"1"})
    place = f"mvc://{bare}@mlruns/e1"
    experiment = mlflow.create_experiment("e1", artifact_location=place)
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_artifact(str(tmp_path / "one.txt"))
        mlflow.log_artifact(str(tmp_path / "one.txt"))
        mlflow.log_artifacts(str(tmp_path / "out"), "model")
        mlflow.log_dict({"a": 1}, "d.json")
    id = run.info.run_id
    client = MlflowClient()
    top = f"e1/{id}/artifacts"
    assert held(bare, "mlruns").keys() == {
        f"{top}/one.txt", f"{top}/model/model.bin", f"{top}/model/deep/er.txt", f"{top}/d.json",
    }  # fmt: skip
    listed = [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(id)]
    assert listed == [("d.json", False, 12), ("model", True, None), ("one.txt", False, 1)]
    assert [f.path for f in client.list_artifacts(id, "model")] == ["model/deep", "model/model.bin"]
    assert client.list_artifacts(id, "one.txt") == []
    assert client.list_artifacts(id, "nothing") == []
    brought = client.download_artifacts(id, "model", str(tmp_path))
    assert Path(brought, "deep", "er.txt").read_bytes() == b"x"
    assert Path(client.download_artifacts(id, "one.txt", str(tmp_path))).read_bytes() == b"1"
    mlflow.artifacts.download_artifacts(f"runs:/{id}/d.json", dst_path=str(tmp_path))
    repo = mvc.Repo.open(bare)
    assert [v.number for v in repo.log("mlruns")] == [3, 2, 1], "what is there makes no version"
    repo.close()


def test_deleting_keeps_older_versions(bare: str, tracking: str, tmp_path: Path) -> None:
    from mvc.integrations.mlflow import MvcArtifactRepository

    write(tmp_path, {"a": b"a", "b": b"b"})
    artifacts = MvcArtifactRepository(f"mvc:{bare}@mlruns/r")
    artifacts.log_artifact(str(tmp_path / "a"), "d")
    artifacts.log_artifact(str(tmp_path / "b"))
    artifacts.delete_artifacts("d")
    artifacts.delete_artifacts("d")
    assert [f.path for f in artifacts.list_artifacts()] == ["b"]
    artifacts.delete_artifacts()
    assert artifacts.list_artifacts() == []
    assert held(bare, "mlruns~1") == {"r/b": b"b"}
    with pytest.raises(Exception, match="Invalid artifact path"):
        artifacts.log_artifact(str(tmp_path / "a"), "../up")


def _client(tracking: str, experiment: str, number: int, count: int) -> str:
    import mlflow

    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    mlflow.set_tracking_uri(tracking)
    with mlflow.start_run(experiment_id=experiment) as run:
        for n in range(count):
            mlflow.log_text(f"{number} {n}", f"{n}.txt")
    return str(run.info.run_id)


def test_none_of_many_clients_loses_an_artifact(bare: str, tracking: str) -> None:
    import mlflow

    experiment = mlflow.create_experiment("many", artifact_location=f"mvc://{bare}@mlruns/many")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        jobs = [(tracking, experiment, number, 10) for number in range(8)]
        runs = pool.starmap(_client, jobs, chunksize=1)
        pool.close()
        pool.join()
    expected = {
        f"many/{run}/artifacts/{n}.txt": f"{number} {n}".encode()
        for number, run in enumerate(runs)
        for n in range(10)
    }
    assert held(bare, "mlruns") == expected


def test_a_run_knows_the_version_of_its_workspace(tracking: str, work: Path) -> None:
    import mlflow

    write(work, {"train.py": b"print()"})
    with mvc.Repo.init(work) as repo:
        repo.add(".")
        repo.commit("first")
    (work / "train.py").write_text("print(1)")
    with mlflow.start_run() as run:
        pass
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert (tags["mvc.version"], tags["mvc.branch"], tags["mvc.dirty"]) == (
        repo.resolve("main"), "main", "true",
    )  # fmt: skip
    repo.close()
