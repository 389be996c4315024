"""Runs of MLflow as versions: a branch for each experiment, a version for each run, as they started.

A version has parameters in `params.yaml`, numbers as numbers; the last value of each metric in `metrics.json`
and all of them in `history.csv`, with a column for each; artifacts in `artifacts/`, and below `models/NAME/`
those that MLflow 3 keeps beside runs; and in `tags.json` the tags that the version does not say itself.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from mvc.api.errors import Failure
from mvc.api.import_verbs import unfit_path
from mvc.api.results import Monitor
from mvc.api.write_verbs import Source
from mvc.importers.lines import ImportLines, ImportRecord
from mvc.importers.mlflowstore import Measured, MlflowRun, MlflowStore, read_store
from mvc.importers.results import ImportResult
from mvc.importers.target import ImportTarget, Names, Progress, store_bytes, target_at

_SAID = ("mlflow.user", "mlflow.runName", "mlflow.note.content", "mlflow.source.git.commit")
"""Tags that the version says itself."""


def import_mlflow(
    source: str,
    directory: str | None = None,
    *,
    into: str | None = None,
    bare: bool = False,
    monitor: Monitor | None = None,
) -> ImportResult:
    """Imports the runs of a directory `mlruns` or a database `mlflow.db`, without MLflow.

    `directory` (by default `mlflow-history`) and `into` as for `import_git`. Run again, it brings runs that are
    new. Raises Failure: kind "no-mlflow", "not-empty".
    """
    store = read_store(source)
    if not store.runs:
        raise Failure(f"{source} has no runs", kind="no-mlflow")
    with target_at(directory or "mlflow-history", into, bare=bare) as target:
        target.require_same("mlflow", [])
        return _Runs(store, target).run(source, monitor)


class _Runs:
    """One import of runs."""

    def __init__(self, store: MlflowStore, target: ImportTarget) -> None:
        self._store, self._target, self._lines = store, target, target.lines
        self._left_out: dict[str, str] = {}
        self._bytes = self._made = 0

    def run(self, source: str, monitor: Monitor | None) -> ImportResult:
        target, runs = self._target, sorted(self._store.runs, key=lambda r: (r.start_ms, r.id))
        start, known = store_bytes(target.repo), target.known_messages()
        versions, tips = self._found(runs, known)
        progress = Progress(monitor, len(runs) - len(versions))
        for run in runs:
            if run.id not in versions:
                before = self._bytes
                versions[run.id] = self._version(run, tips.get(run.experiment), self._lines)
                progress.advance(self._bytes - before)
            tips[run.experiment] = versions[run.id]
        progress.finish()
        wanted = self._store.registered.items()
        tags = {name: (versions[run], "") for name, run in wanted if run in versions}
        notes = [f"{name}: its run is not there" for name, run in wanted if run not in versions]
        busiest = Counter(run.experiment for run in runs).most_common(1)[0][0]
        names = Names(tips, tags, busiest)
        named = target.name(names, self._lines.names, f"import mlflow {source}")
        return ImportResult(
            "mlflow", source, target.repo.root, self._made, len(versions) - self._made,
            tuple(named.branches), tuple(named.tags), {"artifacts": self._bytes},
            max(0, store_bytes(target.repo) - start), tuple(named.renamed),
            tuple(named.left.items()), (), tuple(sorted(self._left_out.items())),
            (*self._store.notes, *notes), named.checkout,
        )  # fmt: skip

    def _found(
        self, runs: Iterable[MlflowRun], known: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Versions of runs that were imported before, and the last of each experiment."""
        versions = {run.id: known[m] for run in runs if (m := _message(run)) in known}
        tips = dict[str, str]()
        for experiment in {run.experiment for run in runs}:
            there = [
                versions[r.id] for r in runs if r.experiment == experiment and r.id in versions
            ]
            if (newest := self._target.newest(there)) is not None:
                tips[experiment] = newest
        return versions, tips

    def _version(self, run: MlflowRun, parent: str | None, lines: ImportLines) -> str:
        files: dict[str, Source] = {"params.yaml": _settings(run.params)} if run.params else {}
        if run.metrics:
            last = {key: rows[-1][1] for key, rows in run.metrics.items() if rows}
            files["metrics.json"] = _json(last)
            files["history.csv"] = _history(run.metrics)
        if rest := {k: v for k, v in run.tags.items() if k not in _SAID}:
            files["tags.json"] = _json(rest)
        for path, place in run.artifacts.items():
            if (why := unfit_path(path)) is not None:
                self._left_out[path] = why
            elif size := _bytes_below(place):
                files[path] = place
                self._bytes += size
        when = datetime.fromtimestamp(run.start_ms / 1000, UTC).astimezone()
        record = ImportRecord(
            run.tags.get("mlflow.user") or run.user or "unknown", when, _message(run)
        )
        commit = run.tags.get("mlflow.source.git.commit")
        done = lines.write([parent] if parent else [], files, record, origin=commit, whole=True)
        self._left_out |= dict(done.skipped)
        self._made += 1
        return done.version


def _message(run: MlflowRun) -> str:
    name = run.tags.get("mlflow.runName") or run.name or run.id
    note = run.tags.get("mlflow.note.content", "")
    status = "" if run.status == "FINISHED" else f", {run.status.lower() or 'of no status'}"
    return f"{name}\n\n{note}\n\nMLflow run {run.id}{status}".replace("\n\n\n\n", "\n\n")


def _settings(params: Mapping[str, str]) -> bytes:
    """YAML, whose strings are JSON's."""
    rows = (f"{json.dumps(key)}: {_setting(value)}\n" for key, value in sorted(params.items()))
    return "".join(rows).encode()


def _setting(text: str) -> str:
    """A value of MLflow's, which are all text: a number or a word of JSON if it reads as one."""
    words = {"True": "true", "False": "false", "None": "null"}
    if text in words:
        return words[text]
    try:
        value = float(text)
        plain = text.strip() == text and "_" not in text and math.isfinite(value)
        return text if plain and text[:1] not in "+" else json.dumps(text)
    except ValueError:
        return json.dumps(text)


def _json(values: Mapping[str, object]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()


def _history(metrics: Mapping[str, list[Measured]]) -> bytes:
    """A row for each step, or several where a metric has several values of one; times in milliseconds."""
    rows: dict[tuple[int, int], dict[str, tuple[int, float]]] = {}
    for key, measured in metrics.items():
        seen = Counter[int]()
        for time, value, step in measured:
            rows.setdefault((step, seen[step]), {})[key] = (time, value)
            seen[step] += 1
    text = io.StringIO()
    writer, columns = csv.writer(text, lineterminator="\n"), sorted(metrics)
    writer.writerow(["step", "timestamp", *columns])
    for (step, _), row in sorted(rows.items()):
        newest = max(time for time, _ in row.values())
        values = [repr(row[key][1]) if key in row else "" for key in columns]
        writer.writerow([step, newest, *values])
    return text.getvalue().encode()


def _bytes_below(path: str) -> int:
    return sum(
        os.lstat(os.path.join(directory, name)).st_size
        for directory, _, names in os.walk(path)
        for name in names
    )
