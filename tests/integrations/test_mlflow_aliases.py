"""Aliases of models in MLflow's registry, and stages: each follows the other.  pytest -m tools"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from tests.integrations.test_mlflow import bare, pools_end, tracking

__all__ = ["bare", "pools_end", "tracking"]
pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("work")]


@pytest.fixture
def repo(bare: str) -> Iterator[mvc.Repo]:
    repo = mvc.Repo.open(bare)
    yield repo
    repo.close()


@pytest.fixture
def iris(bare: str, tracking: str) -> str:
    """A registered model with three versions: those of runs, v1 and v2 of the branch, and v1 by its address."""
    import mlflow
    from mlflow import MlflowClient

    place = f"mvc://{bare}@mlruns/e1"
    experiment = mlflow.create_experiment("e1", artifact_location=place)
    client = MlflowClient()
    client.create_registered_model("iris")
    for number in range(2):
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_dict({"weights": number}, "model/m.json")
        client.create_model_version("iris", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.create_model_version("iris", f"mvc://{bare}@v1/e1")
    return "iris"


def aliases(model: str) -> dict[str, str]:
    from mlflow import MlflowClient

    return {k: str(v) for k, v in MlflowClient().get_registered_model(model).aliases.items()}


def test_aliases_follow_stages(iris: str, repo: mvc.Repo) -> None:
    from mlflow import MlflowClient, artifacts

    from mvc.integrations.mlflowaliases import stages_to_aliases

    MlflowClient().set_registered_model_alias(iris, "champion", "1")
    repo.promote("mlruns", "production")
    (move,) = stages_to_aliases(repo, iris)
    assert (move.name, move.model_version, move.version, move.changed, move.problem) == (
        "production", "2", repo.resolve("v2"), True, "",
    )  # fmt: skip
    assert artifacts.load_dict("models:/iris@production/m.json") == {"weights": 1}
    assert [move.changed for move in stages_to_aliases(repo, iris)] == [False]
    repo.promote("v1", "production")
    repo.promote("v1", "latest")
    latest, production = stages_to_aliases(repo, iris)
    assert production.model_version == "3", "the newest that has the version"
    assert "reserved" in latest.problem and not latest.changed
    repo.stage_withdraw("production")
    assert [move.changed for move in stages_to_aliases(repo, iris)] == [False, True]
    assert aliases(iris) == {"champion": "1"}
    repo.write("else", {"a": b"a"}, "another")
    repo.promote("else", "staging")
    told = stages_to_aliases(repo, iris)[-1]
    assert told.problem == f"no version of iris has the files of v{repo.show('else').number}"


def test_stages_follow_aliases(iris: str, repo: mvc.Repo, tmp_path: Path, bare: str) -> None:
    from mlflow import MlflowClient

    from mvc.integrations.mlflowaliases import aliases_to_stages
    from mvcd.store.lmdb_store import LmdbStore

    client = MlflowClient()
    client.set_registered_model_alias(iris, "champion", "1")
    client.set_registered_model_alias(iris, "challenger", "2")
    ada = "Ada <ada@example.org>"
    challenger, champion = aliases_to_stages(repo, iris, author=ada)
    assert (champion.version, challenger.version) == (repo.resolve("v1"), repo.resolve("v2"))
    held = {record.stage: (record.version_number, record.reason) for record in repo.stages()}
    assert held == {
        "champion": (1, "alias of iris 1 in MLflow"),
        "challenger": (2, "alias of iris 2 in MLflow"),
    }
    assert [move.changed for move in aliases_to_stages(repo, iris)] == [False, False]
    LmdbStore.create(tmp_path / "other").close()
    client.create_model_version(iris, f"mvc://{tmp_path}/other@v1/e1")
    client.create_model_version(iris, "s3://bucket/model")
    client.set_registered_model_alias(iris, "champion", "4")
    client.set_registered_model_alias(iris, "challenger", "5")
    challenger, champion = aliases_to_stages(repo, iris)
    assert "another repository" in champion.problem and "no repository" in challenger.problem
    assert [record.version_number for record in repo.stages()] == [2, 1], "they stay"


def test_artifacts_behind_a_server_are_found(repo: mvc.Repo, bare: str, tracking: str) -> None:
    from mlflow import MlflowClient

    from mvc.integrations.mlflowaliases import aliases_to_stages

    client = MlflowClient()
    client.create_registered_model("iris")
    repo.write("mlruns", {"team/1/abc/artifacts/model/m": b"1"}, "by a server")
    repo.write("mlruns", {"team/1/else": b"1"}, "by a server")
    client.create_model_version("iris", "mlflow-artifacts:/1/abc/artifacts/model")
    client.set_registered_model_alias("iris", "champion", "1")
    (move,) = aliases_to_stages(repo, "iris")
    assert "no repository" in move.problem
    (move,) = aliases_to_stages(repo, "iris", destination=f"mvc://{bare}@mlruns/team")
    assert (move.changed, move.version) == (True, repo.resolve("v1"))
