"""Running a command as one version, and running it again.

A command that a version records may name a program that no version has: a virtual environment in the
workspace, or on another machine. In a fresh directory it is the workspace's one, or there is an error that says
what to do.

The child's environment is ours with the seed added; of it only a short list of variables is recorded, those
that change results, and whatever the caller names. Secrets are never looked for, so they are never recorded
by chance.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mvc.api import interpreters
from mvc.api.commits import CommitResult
from mvc.api.context import as_text
from mvc.api.errors import Failure
from mvc.api.interpreters import PackageDifference, PythonFound
from mvc.api.public import public
from mvc.api.results import Component
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

TIMED_OUT = 124
"""Exit status as timeout(1) gives it."""


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
    """Outcome of running a version's command again. `environment`: (what, recorded, now) where they differ;
    `packages`: those that do, None where the run recorded none or its Python is not known. `ran` is the command
    as it was started here."""

    version: str
    command: tuple[str, ...]
    ran: tuple[str, ...]
    directory: str | None  # None: it was temporary
    status: int
    recorded_status: int
    seconds: float
    recorded_seconds: float
    tolerance: float
    files: tuple[ReproducedFile, ...]
    metrics: tuple[ReproducedMetric, ...]
    environment: tuple[tuple[str, str, str], ...]
    packages: tuple[PackageDifference, ...] | None
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
    python: str | None,
) -> RunResult:
    """Runs a command: see `Repo.run`. `env`: variables to record; those with a value are also set."""
    if not core.tracked():
        raise Failure("nothing is tracked yet", kind="nothing-tracked", help="mvc add .")
    core.lock.require()  # before hours of work and not after
    environment = {**os.environ, **{k: v for k, v in env.items() if v is not None}}
    if seed is not None:
        environment |= {"MVC_SEED": str(seed), "PYTHONHASHSEED": str(seed % (1 << 32))}
    where = os.path.join(core.root, directory)
    if python is not None:
        python = interpreters.chosen(python, where, "mvc run")
        command = interpreters.with_python(command, python, where)
        environment = interpreters.activated(environment, python, where)
    edited = runs.edited(core)
    found = _python_of(command, where, environment)
    began = time.monotonic()
    status = _execute(command, where, environment, None, None)
    seconds = time.monotonic() - began
    if status and not keep_failed:
        return RunResult(status, seconds, None)
    if os.path.basename(command[0]) == "uv":  # it brings the packages before it starts the program
        found = _python_of(command, where, environment)
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
        program=_below(core.root, os.path.join(where, command[0])) if "/" in command[0] else None,
        packages=None if found is None else found.packages,
    )
    path = os.path.join(core.root, runs.NAME)
    replace_file(path, record.encode())
    commit.add(core, [path], context=context)
    told = replace(context, command=tuple(map(as_text, command)), time_us=time.time_ns() // 1000)
    if found is not None:
        told = replace(told, python=found.version, packages_digest=found.packages_digest)
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
    python: str | None,
    tell: Callable[[Sequence[PackageDifference]], object] | None,
) -> Reproduction:
    """Runs a command again: see `Repo.reproduce`."""
    id = core.resolve(rev)
    words = command_here(core, rev, python=python)
    directory = _empty(into) if into is not None else tempfile.mkdtemp(prefix="mvc-reproduce-")
    try:
        prepared = runs.prepare(core, id, directory)
        record = prepared.record
        environment = {**os.environ, **record.environment, **env}
        if python is not None:
            environment = interpreters.activated(environment, _interpreter(python, rev), directory)
        where = os.path.join(directory, record.directory)
        found = _python_of(words, where, environment)
        packages = None
        if record.packages is not None and found is not None:
            packages = interpreters.differences(record.packages, found.packages)
            if packages and tell is not None:
                tell(packages)
        began = time.monotonic()
        status = _execute(words, where, environment, timeout, rev)
        seconds = time.monotonic() - began
        files, metrics = runs.judge(
            core, id, prepared, directory, context=context, tolerance=tolerance
        )
        return Reproduction(
            version=id.hex(),
            command=record.command,
            ran=words,
            directory=directory if into is not None else None,
            status=status,
            recorded_status=record.status,
            seconds=seconds,
            recorded_seconds=record.seconds,
            tolerance=tolerance,
            files=tuple(public(ReproducedFile, file) for file in files),
            metrics=tuple(public(ReproducedMetric, metric) for metric in metrics),
            environment=_differences(core, id, context, record, environment, found),
            packages=packages,
            lost=prepared.lost,
        )
    finally:
        if into is None:
            shutil.rmtree(directory, ignore_errors=True)


def command_here(core: Core, rev: str, *, python: str | None) -> tuple[str, ...]:
    """The command of a version as it is started here: see `Repo.reproduction_command`."""
    id = core.resolve(rev)
    record = runs.record_of(core, id)
    word, *rest = record.command
    if python is not None:
        python = _interpreter(python, rev)
        changed = interpreters.with_python(record.command, python, os.getcwd())
        if changed[0] != word:
            return changed
    if "/" not in word:
        if shutil.which(word) is None:
            raise _not_here(word, f"no directory on PATH has {word}", rev)
        return record.command
    if os.path.isabs(word) and os.path.exists(word):
        return record.command
    inside = os.path.normpath(os.path.join(record.directory, word))
    if not os.path.isabs(word) and runs.holds(core, id, inside):
        return record.command
    kept = record.program or inside
    here = os.path.join(core.root, kept)
    if not core.place.bare and not os.path.isabs(kept) and os.path.exists(here):
        return (here, *rest)
    host = core.version(id).provenance.host
    cause = f"no version has it; it was in the workspace of the run{host and f', on {host}'}"
    if os.path.isabs(word) and record.program is None:
        cause = f"it was there when the run was made{host and f', on {host}'}"
    raise _not_here(word, cause, rev)


def _interpreter(python: str, rev: str) -> str:
    """What `--python` names, as a path that holds in any directory."""
    found = interpreters.chosen(python, os.getcwd(), f"mvc reproduce {shlex.quote(rev)}")
    return os.path.abspath(found) if "/" in found else found


def _not_here(word: str, cause: str, rev: str) -> Failure:
    python = interpreters.is_python(word) or os.path.basename(os.path.dirname(word)) == "bin"
    again = f"put it there, then: mvc reproduce {shlex.quote(rev)}"
    return Failure(
        f"{word} is not here", kind="no-command", cause=cause,
        help=_another_python(rev) if python else again,
    )  # fmt: skip


def _python_of(
    command: Sequence[str], directory: str, environment: Mapping[str, str]
) -> PythonFound | None:
    interpreter = interpreters.interpreter_of(command, directory, environment)
    return None if interpreter is None else interpreters.look(interpreter, directory, environment)


def _below(root: str, path: str) -> str | None:
    """A path relative to the root, if it is below it. Links stay as they are: `.venv/bin/python` is one."""
    inside = os.path.relpath(os.path.normpath(path), root)
    return None if inside == os.pardir or inside.startswith("../") else as_text(inside)


def _execute(
    command: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    timeout: float | None,
    rev: str | None,
) -> int:
    """The exit status; of a signal 128 + its number, as shells say. What the child prints is passed through.
    `rev` is the version that is run again, None for a first run: errors say what to type."""
    try:
        process = subprocess.Popen(command, cwd=directory, env=dict(environment))
    except OSError as error:
        if not os.path.isdir(directory):
            raise Failure(f"{directory} is no directory", kind="no-directory") from error
        raise _unstarted(command[0], directory, environment, rev, error) from None
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


def _unstarted(
    word: str, directory: str, environment: Mapping[str, str], rev: str | None, error: OSError
) -> Failure:
    """Why a program does not start, and what to type instead."""
    path = interpreters.located(word, directory, environment)
    if path is None and os.path.isfile(os.path.join(directory, word)):
        path = os.path.join(directory, word)  # a shell would not find it either
    if path is None:
        where = os.path.dirname(os.path.normpath(os.path.join(directory, word)))
        help = "check the spelling, or give its path: mvc run -- ./train.sh"
        if interpreters.is_python(word):
            help = f"mvc run {_OTHER_PYTHON}"
        return Failure(
            f"{word} was not found", kind="no-command",
            cause=f"it is not in {where}" if "/" in word else "no directory on PATH has it",
            help=help if rev is None else _another_python(rev),
        )  # fmt: skip
    named = interpreters.shebang(path, environment)
    if isinstance(error, FileNotFoundError) and named is not None and not os.path.exists(named):
        beside = os.path.join(os.path.dirname(word), "python")
        help = "make its virtual environment anew: python3 -m venv --clear DIR"
        if os.path.exists(os.path.join(directory, beside)):
            help = f"mvc run -- {shlex.join([beside, word])}"
        return Failure(
            f"{word} cannot be run", kind="no-command",
            cause=f"its first line names {named}, which is not there: it was moved, or copied",
            help=help if rev is None else _another_python(rev),
        )  # fmt: skip
    if word.endswith(".py"):
        return Failure(
            f"{word} is no program", kind="no-command", cause="Python has to be told to run it",
            help=f"mvc run -- python {word}" if rev is None else _another_python(rev),
        )  # fmt: skip
    return Failure(f"{word} cannot be run", kind="no-command", cause=error.strerror)


_OTHER_PYTHON = "--python PATH  (an interpreter, or the directory of a virtual environment)"


def _another_python(rev: str) -> str:
    return f"mvc reproduce {shlex.quote(rev)} {_OTHER_PYTHON}"


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
    return as_text(shlex.join(command))


def _differences(
    core: Core,
    id: VersionId,
    context: Context,
    record: runs.RunRecord,
    environment: Mapping[str, str],
    found: PythonFound | None,
) -> tuple[tuple[str, str, str], ...]:
    """(what, recorded, now) of the surroundings that are not as they were. Of packages that were recorded by
    name there is a list; earlier releases recorded a digest of those beside mvc."""
    was = core.version(id).provenance
    python, packages = _own_version(), context.packages_digest
    if (
        record.packages is not None
    ):  # it was the command's Python and not ours; and is now, if it is known
        python, packages = "" if found is None else found.version, ""
    rows = [
        ("python", was.python if python else "", python),
        ("packages", was.packages_digest[:12] if packages else "", packages[:12]),
        ("git commit", was.git_commit[:12], context.git_commit[:12]),
        *((name, value, environment.get(name, "")) for name, value in record.environment.items()),
    ]
    return tuple(row for row in rows if row[1] and row[1] != row[2])


def _own_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))
