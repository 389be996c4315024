"""Runs that MLflow keeps in files (`mlruns/`) or in SQLite (`mlflow.db`), read without MLflow.

    mlruns/EXPERIMENT/meta.yaml                       name, lifecycle_stage
    mlruns/EXPERIMENT/RUN/meta.yaml                   run_name, start_time (ms), user_id, artifact_uri
    mlruns/EXPERIMENT/RUN/params|tags/KEY             the value
    mlruns/EXPERIMENT/RUN/metrics/KEY                 a line each: time (ms), value, step
    mlruns/EXPERIMENT/models/MODEL/meta.yaml          a logged model of MLflow 3: name, source_run_id
    mlruns/models/NAME/version-N/meta.yaml            a registered model's version: run_id
    mlruns/models/NAME/aliases/ALIAS                  its number

In SQLite the tables experiments, runs, params, tags, metrics, model_versions and registered_model_aliases say
the same. What is marked as deleted is left out.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlparse

from mvc.api.errors import Failure
from mvc.api.import_verbs import yaml_document

_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
"""RunStatus in MLflow's service.proto."""
Measured = tuple[int, float, int]
"""Time in milliseconds, value, step."""


@dataclass(slots=True)
class MlflowRun:
    """A run. `artifacts` maps paths of the version to directories on disk."""

    id: str
    name: str
    experiment: str
    start_ms: int
    user: str
    status: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[Measured]] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class MlflowStore:
    """All runs, and the run of each name that registered models have: "iris/v1", "iris/champion"."""

    runs: list[MlflowRun] = field(default_factory=list)
    registered: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_store(path: str) -> MlflowStore:
    """Reads a directory `mlruns`, or one that has it or `mlflow.db`, or the database itself. Raises Failure:
    kind "no-mlflow"."""
    if not os.path.exists(path):
        raise Failure(f"{path} does not exist", kind="no-mlflow")
    for name in ("", "mlruns", "mlflow.db"):
        at = os.path.join(path, name) if name else path
        if os.path.isfile(at):
            return _Database(at).read()
        if os.path.isdir(at) and any(_experiments(at)):
            return _Files(at).read()
    raise Failure(
        f"{path} has no runs of MLflow", kind="no-mlflow",
        cause="it is no mlruns directory and no mlflow.db, and has neither",
        help="name the directory that mlflow ui --backend-store-uri is given",
    )  # fmt: skip


def _experiments(path: str) -> Iterator[str]:
    for name in sorted(os.listdir(path)):
        if name not in ("models", ".trash") and os.path.isfile(
            os.path.join(path, name, "meta.yaml")
        ):
            yield os.path.join(path, name)


def _is_deleted(meta: dict[str, Any]) -> bool:
    return bool(meta.get("lifecycle_stage", "active") != "active")


class _Files:
    """The directory `mlruns`."""

    def __init__(self, path: str) -> None:
        self._path, self._store = path, MlflowStore()

    def read(self) -> MlflowStore:
        for experiment in _experiments(self._path):
            meta = self._meta(experiment)
            if meta is None or _is_deleted(meta):
                continue
            name = str(meta.get("name") or os.path.basename(experiment))
            for entry in sorted(os.listdir(experiment)):
                run = os.path.join(experiment, entry)
                if entry not in ("models", "traces") and os.path.isfile(
                    os.path.join(run, "meta.yaml")
                ):
                    self._run(run, name)
            self._models(os.path.join(experiment, "models"))
        self._registry(os.path.join(self._path, "models"))
        return self._store

    def _run(self, path: str, experiment: str) -> None:
        meta = self._meta(path)
        if meta is None or _is_deleted(meta):
            return
        run = MlflowRun(
            str(meta.get("run_id") or os.path.basename(path)), str(meta.get("run_name") or ""),
            experiment, int(meta.get("start_time") or 0), str(meta.get("user_id") or ""),
            _STATUS.get(str(meta.get("status")), str(meta.get("status") or "")),
        )  # fmt: skip
        run.params = dict(_values(os.path.join(path, "params")))
        run.tags = dict(_values(os.path.join(path, "tags")))
        run.metrics = {k: list(_measured(t)) for k, t in _values(os.path.join(path, "metrics"))}
        _place(
            run, str(meta.get("artifact_uri") or ""), os.path.join(path, "artifacts"), self._store
        )
        self._store.runs.append(run)

    def _models(self, path: str) -> None:
        """Models that runs logged, which MLflow 3 keeps beside the runs."""
        runs = {run.id: run for run in self._store.runs}
        for entry in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            meta = self._meta(os.path.join(path, entry)) or {}
            run = runs.get(str(meta.get("source_run_id")))
            artifacts = os.path.join(path, entry, "artifacts")
            if run is not None and os.path.isdir(artifacts):
                wanted = f"models/{meta.get('name') or entry}"
                run.artifacts[wanted if wanted not in run.artifacts else f"models/{entry}"] = (
                    artifacts
                )

    def _registry(self, path: str) -> None:
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            model = os.path.join(path, name)
            if not os.path.isdir(model):
                continue
            numbers = {}
            for entry in sorted(os.listdir(model)):
                if entry.startswith("version-"):
                    meta = self._meta(os.path.join(model, entry)) or {}
                    numbers[entry.removeprefix("version-")] = str(meta.get("run_id") or "")
            for number, run in numbers.items():
                self._store.registered[f"{name}/v{number}"] = run
            for alias, number in _values(os.path.join(model, "aliases")):
                self._store.registered[f"{name}/{alias}"] = numbers.get(number.strip(), "")

    def _meta(self, directory: str) -> dict[str, Any] | None:
        path = os.path.join(directory, "meta.yaml")
        try:
            document = yaml_document(_text(path))
        except (OSError, ValueError) as error:
            self._store.notes.append(f"{path} cannot be read: {error}")
            return None
        return document if isinstance(document, dict) else None


def _values(path: str) -> Iterator[tuple[str, str]]:
    """(key, content) of the files below a directory; a key with slashes is a path."""
    for directory, below, names in os.walk(path):
        below.sort()
        for name in sorted(names):
            file = os.path.join(directory, name)
            yield os.path.relpath(file, path), _text(file)


def _measured(text: str) -> Iterator[Measured]:
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2:
            yield int(words[0]), float(words[1]), int(words[2]) if len(words) > 2 else 0


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _place(run: MlflowRun, uri: str, beside: str, store: MlflowStore) -> None:
    """Finds a run's artifacts: beside it, which holds when the store was moved, or where it says."""
    where = urlparse(uri)
    local = unquote(where.path) if where.scheme in ("", "file") else ""
    found = next((path for path in (beside, local) if path and os.path.isdir(path)), None)
    if found is not None:
        run.artifacts["artifacts"] = found
    elif where.scheme not in ("", "file"):
        store.notes.append(f"artifacts of run {run.id} are at {uri}, and left out")


class _Database:
    """The file `mlflow.db`, opened for reading only."""

    def __init__(self, path: str) -> None:
        self._path, self._store = path, MlflowStore()

    def read(self) -> MlflowStore:
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as database:
                self._read(database)
        except sqlite3.Error as error:
            raise Failure(
                f"{self._path} is no database of MLflow", kind="no-mlflow", cause=str(error)
            ) from None
        return self._store

    def _read(self, database: sqlite3.Connection) -> None:
        runs = {}
        for row in database.execute(
            "SELECT r.run_uuid, r.name, e.name, r.start_time, r.user_id, r.status, r.artifact_uri"
            " FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
            " WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active'"
        ):
            run = MlflowRun(row[0], row[1] or "", row[2], row[3] or 0, row[4] or "", row[5] or "")
            _place(run, row[6] or "", "", self._store)
            runs[run.id] = run
        for run_id, key, value in database.execute("SELECT run_uuid, key, value FROM params"):
            if run_id in runs:
                runs[run_id].params[key] = value
        for run_id, key, value in database.execute("SELECT run_uuid, key, value FROM tags"):
            if run_id in runs:
                runs[run_id].tags[key] = value or ""
        measured: dict[tuple[str, str], list[Measured]] = defaultdict(list)
        for run_id, key, value, time, step, nan in database.execute(
            "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics ORDER BY step, timestamp"
        ):
            measured[run_id, key].append((time, float("nan") if nan else value, step))
        for (run_id, key), rows in measured.items():
            if run_id in runs:
                runs[run_id].metrics[key] = rows
        self._store.runs = list(runs.values())
        self._registry(database)

    def _registry(self, database: sqlite3.Connection) -> None:
        versions = "SELECT name, version, run_id FROM model_versions"
        numbers = {(n, v): run or "" for n, v, run in database.execute(versions)}
        for (name, number), run in numbers.items():
            self._store.registered[f"{name}/v{number}"] = run
        aliases = "SELECT name, alias, version FROM registered_model_aliases"
        for name, alias, number in database.execute(aliases):
            self._store.registered[f"{name}/{alias}"] = numbers.get((name, number), "")
