"""Running a command as one version, and running it again.

The child's environment is ours with the seed added; of it only a short list of variables is recorded, those
that change results, and whatever the caller names. Secrets are never looked for, so they are never recorded
by chance.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mvc.api.context import as_text
from mvc.api.errors import Failure
from mvc.api.public import public
from mvc.api.results import CommitResult, Component
from mvcd.disk.replace import replace_file
from mvcd.repo.change import commit
from mvcd.repo.history import runs

if TYPE_CHECKING:
    from mvcd.ids import VersionId
    from mvcd.repo.core.core import Core
    from mvcd.repo.records.results import Context

RECORDED = (
    "PYTHONHASHSEED", "MVC_SEED", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "TF_DETERMINISTIC_OPS", "TOKENIZERS_PARALLELISM",
)  # fmt: skip
"""Variables recorded when they are set: what decides on order, threads and devices."""

NOT_FOUND, NOT_EXECUTABLE, TIMED_OUT = 127, 126, 124
"""Exit statuses as a shell and timeout(1) give them."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of a run. `commit` is None when nothing was saved."""

    status: int
    seconds: float
    commit: CommitResult | None


@dataclass(frozen=True, slots=True)
class ReproducedFile:
    """One output file. `tensors`: those that differ, if the file lists `tensor_count` tensors."""

    path: str
    component: Component
    same: bool
    missing: bool
    tensors: tuple[str, ...]
    tensor_count: int


@dataclass(frozen=True, slots=True)
class ReproducedMetric:
    """One metric: as recorded, and as it came out now."""

    key: str
    recorded: object
    found: object
    within: bool


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Outcome of running a version's command again. `environment`: (what, recorded, now) where they differ."""

    version: str
    command: tuple[str, ...]
    directory: str | None  # None: it was temporary
    status: int
    recorded_status: int
    seconds: float
    recorded_seconds: float
    tolerance: float
    files: tuple[ReproducedFile, ...]
    metrics: tuple[ReproducedMetric, ...]
    environment: tuple[tuple[str, str, str], ...]
    lost: tuple[str, ...]  # what the run began with and no version has

    @property
    def ok(self) -> bool:
        """Same exit status, metrics within the tolerance; and where there are no metrics, equal outputs."""
        if self.status != self.recorded_status or any(f.missing for f in self.files):
            return False
        if self.metrics:
            return all(m.within for m in self.metrics)
        return all(f.same for f in self.files)


def run(
    core: Core,
    command: Sequence[str],
    *,
    context: Context,
    message: str | None,
    seed: int | None,
    env: Mapping[str, str | None],
    inputs: Sequence[str],
    outputs: Sequence[str],
    keep_failed: bool,
    directory: str,
) -> RunResult:
    """Runs a command: see `Repo.run`. `env`: variables to record; those with a value are also set."""
    if not core.tracked():
        raise Failure("nothing is tracked yet", kind="nothing-tracked", help="mvc add .")
    core.lock.require()  # before hours of work and not after
    environment = {**os.environ, **{k: v for k, v in env.items() if v is not None}}
    if seed is not None:
        environment |= {"MVC_SEED": str(seed), "PYTHONHASHSEED": str(seed % (1 << 32))}
    edited = runs.edited(core)
    began = time.monotonic()
    status = _execute(command, os.path.join(core.root, directory), environment, None)
    seconds = time.monotonic() - began
    if status and not keep_failed:
        return RunResult(status, seconds, None)
    record = runs.RunRecord(
        command=tuple(command),
        directory=directory,
        environment={n: environment[n] for n in sorted({*RECORDED, *env}) if n in environment},
        seed=seed,
        seconds=round(seconds, 3),
        status=status,
        inputs=tuple(inputs) or None,
        outputs=tuple(outputs) or None,
        edited=edited,
    )
    path = os.path.join(core.root, runs.NAME)
    replace_file(path, record.encode())
    commit.add(core, [path], context=context)
    told = replace(context, command=tuple(map(as_text, command)), time_us=time.time_ns() // 1000)
    committed = commit.commit(core, message or "run " + _shown(command), context=told)
    return RunResult(status, seconds, public(CommitResult, committed))


def reproduce(
    core: Core,
    rev: str,
    *,
    context: Context,
    into: str | None,
    tolerance: float,
    timeout: float | None,
    env: Mapping[str, str],
) -> Reproduction:
    """Runs a command again: see `Repo.reproduce`."""
    id = core.resolve(rev)
    directory = _empty(into) if into is not None else tempfile.mkdtemp(prefix="mvc-reproduce-")
    try:
        prepared = runs.prepare(core, id, directory)
        record = prepared.record
        environment = {**os.environ, **record.environment, **env}
        began = time.monotonic()
        where = os.path.join(directory, record.directory)
        status = _execute(record.command, where, environment, timeout)
        seconds = time.monotonic() - began
        files, metrics = runs.judge(
            core, id, prepared, directory, context=context, tolerance=tolerance
        )
        return Reproduction(
            version=id.hex(),
            command=record.command,
            directory=directory if into is not None else None,
            status=status,
            recorded_status=record.status,
            seconds=seconds,
            recorded_seconds=record.seconds,
            tolerance=tolerance,
            files=tuple(public(ReproducedFile, file) for file in files),
            metrics=tuple(public(ReproducedMetric, metric) for metric in metrics),
            environment=_differences(core, id, context, record, environment),
            lost=prepared.lost,
        )
    finally:
        if into is None:
            shutil.rmtree(directory, ignore_errors=True)


def _execute(
    command: Sequence[str], directory: str, environment: Mapping[str, str], timeout: float | None
) -> int:
    """The exit status; of a signal 128 + its number, as shells say. What the child prints is passed through."""
    try:
        process = subprocess.Popen(command, cwd=directory, env=dict(environment))
    except FileNotFoundError as error:
        if not os.path.isdir(directory):
            raise Failure(f"{directory} is no directory", kind="no-directory") from error
        raise Failure(
            f"{command[0]} was not found",
            kind="no-command",
            help="check the spelling, or give its path: mvc run -- ./train.sh",
        ) from None
    except OSError as error:
        raise Failure(
            f"{command[0]} cannot be run", kind="no-command", cause=error.strerror
        ) from error
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return TIMED_OUT
    except KeyboardInterrupt:
        process.wait()  # the terminal has told the child, too
        raise
    return 128 - status if status < 0 else status


def _empty(path: str) -> str:
    """`path`, made if need be. Raises Failure unless it is empty."""
    os.makedirs(path, exist_ok=True)
    if os.listdir(path):
        raise Failure(
            f"{path} is not empty", kind="not-empty",
            cause="a run is reproduced from what its version holds and nothing else",
        )  # fmt: skip
    return os.path.realpath(path)


def _shown(command: Sequence[str]) -> str:
    import shlex  # late: start-up

    return as_text(shlex.join(command))


def _differences(
    core: Core,
    id: VersionId,
    context: Context,
    record: runs.RunRecord,
    environment: Mapping[str, str],
) -> tuple[tuple[str, str, str], ...]:
    """(what, recorded, now) of the surroundings that are not as they were."""
    was = core.version(id).provenance
    rows = [
        ("python", was.python, ".".join(map(str, sys.version_info[:3]))),
        ("packages", was.packages_digest[:12], context.packages_digest[:12]),
        ("git commit", was.git_commit[:12], context.git_commit[:12]),
        *((name, value, environment.get(name, "")) for name, value in record.environment.items()),
    ]
    return tuple(row for row in rows if row[1] and row[1] != row[2])
