"""mvc and the programs it is measured against: found, asked for their version, never required.

A program that is not installed raises Unmeasured with the command that installs it, at the moment
when a figure needs it; the figures that do not need it are taken all the same.

Each peer is used as its manual says for one local repository, with its defaults, but for these:

- homes, caches and configuration lie in the scratch directory: nothing of the user's is touched;
- DVC runs without git (`--no-scm`) and without analytics. Its cache holds copies where the file
  system has no reflinks. It does not fsync: its times buy less than the others';
- borg does not encrypt (`-e none`), which favours it, and compresses with `zstd,1`;
- restic cannot but encrypt, and compresses as it does by default (repository format 2).

What is timed is the verb that saves, never `init`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import measure
from measure import Cost, Unmeasured, allocated


def environment(home: Path) -> dict[str, str]:
    """This process's environment, with all homes, caches and identities inside `home`.

    Python keeps its bytecode, as in an installation; told not to, it compiles all of mvc at each start (0.3 s).
    """
    home.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "NO_COLOR": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
        "RESTIC_PASSWORD": "bench",
        "BORG_BASE_DIR": str(home / "borg"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "bench",
        "GIT_AUTHOR_EMAIL": "bench@example.invalid",
        "GIT_COMMITTER_NAME": "bench",
        "GIT_COMMITTER_EMAIL": "bench@example.invalid",
    }


@dataclass(frozen=True)
class Program:
    """One program: how to call it, what it says it is, how to get it."""

    name: str
    install: str
    env: Mapping[str, str]
    command: Sequence[str] | None
    """The program and its leading arguments; None when it is not installed."""
    memory: int = 0
    """Bytes of memory to make ready before each settled run; see `measure.settle`."""
    asked: ClassVar[Sequence[str]] = ("--version",)
    """The arguments that make it say its version."""

    def run(self, *args: str | Path, cwd: Path, settle: bool = True) -> Cost:
        """Run it with `args`, by default on a settled machine.

        Raises Unmeasured when it is missing or fails.
        """
        argv = [*self.found(), *map(str, args)]
        if settle:
            measure.settle(self.memory)
        return measure.run(argv, cwd=cwd, env=self.env)

    def found(self) -> Sequence[str]:
        """The command. Raises Unmeasured with the way to install it."""
        if self.command is None:
            raise Unmeasured(f"{self.name} is not installed: {self.install}")
        return self.command

    def version(self) -> str:
        """The first line of what it says of its version, or that it is not installed."""
        if self.command is None:
            return f"not installed: {self.install}"
        argv = [*self.command, *self.asked]
        said = subprocess.run(argv, env=dict(self.env), capture_output=True, text=True, check=False)
        return (said.stdout or said.stderr).strip().partition("\n")[0] or "unknown"


class Mvc(Program):
    """mvc itself, by its command line only."""

    def init(self, workspace: Path) -> None:
        self.run("-C", workspace, "init", cwd=workspace, settle=False)

    def add(self, workspace: Path) -> Cost:
        return self.run("-C", workspace, "add", ".", cwd=workspace)

    def commit(self, workspace: Path) -> Cost:
        """Commit all that is tracked: `output` is JSON, `stored` what `.mvc` grew by on disk."""
        home = workspace / ".mvc"
        before = allocated(home)
        arguments = ("-C", workspace, "commit", "-m", "bench", "--json")
        cost = self.run(*arguments, cwd=workspace)
        return replace(cost, stored=allocated(home) - before)

    def save(self, workspace: Path) -> dict[str, Cost]:
        """The first commit of an initialised directory: alone, and together with its `add`."""
        added, committed = self.add(workspace), self.commit(workspace)
        both = replace(added + committed, stored=committed.stored)
        return {"mvc commit": committed, "mvc add + commit": both}

    def status(self, workspace: Path) -> Cost:
        arguments = ("-C", workspace, "status", "--json")
        return self.run(*arguments, cwd=workspace, settle=False)

    def checkout(self, workspace: Path, version: str) -> Cost:
        return self.run("-C", workspace, "checkout", version, cwd=workspace)

    def diff(self, workspace: Path, *revisions: str) -> Cost:
        arguments = ("-C", workspace, "diff", *revisions)
        return self.run(*arguments, cwd=workspace, settle=False)


class Dvc(Program):
    """DVC, the closest peer."""

    def init(self, workspace: Path) -> None:
        self.run("init", "--no-scm", "--quiet", cwd=workspace, settle=False)
        self.run("config", "core.analytics", "false", cwd=workspace, settle=False)

    def add(self, workspace: Path, path: str) -> Cost:
        """`dvc add`: `stored` is what its cache grew by."""
        cache = workspace / ".dvc" / "cache"
        before = allocated(cache) if cache.exists() else 0
        cost = self.run("add", "--quiet", path, cwd=workspace)
        return replace(cost, stored=allocated(cache) - before)

    def commit(self, workspace: Path) -> Cost:
        return self.run("commit", "--quiet", cwd=workspace)


class Restic(Program):
    """restic, a backup program with content-defined chunks."""

    asked = ("version",)

    def backup(self, directory: Path, source: Path) -> Cost:
        """`restic backup` of `source` into a new repository in `directory`."""
        self.create(directory / "restic")
        return self.add(directory / "restic", source)

    def create(self, repository: Path) -> None:
        self.run("init", "--repo", repository, "--quiet", cwd=repository.parent, settle=False)

    def restore(self, repository: Path, target: Path) -> Cost:
        """`restic restore` of the latest backup. It does not fsync."""
        arguments = ("restore", "latest", "--repo", repository, "--quiet", "--target", target)
        return self.run(*arguments, cwd=repository.parent)

    def add(self, repository: Path, source: Path) -> Cost:
        """`restic backup`; `stored` is what the repository grew by."""
        before = allocated(repository)
        cost = self.run("backup", "--repo", repository, "--quiet", source, cwd=repository.parent)
        return replace(cost, stored=allocated(repository) - before)


class Borg(Program):
    """borg, a backup program with content-defined chunks, in Python and C as we are."""

    def create(self, directory: Path, source: Path) -> Cost:
        """`borg create -C zstd,1` of `source` into a new repository in `directory`."""
        self.begin(directory / "borg")
        return self.add(directory / "borg", source, "a")

    def begin(self, repository: Path) -> None:
        self.run("init", "-e", "none", repository, cwd=repository.parent, settle=False)

    def add(self, repository: Path, source: Path, name: str) -> Cost:
        """`borg create`; `stored` is what the repository grew by."""
        before, archive = allocated(repository), f"{repository}::{name}"
        cost = self.run("create", "-C", "zstd,1", archive, source, cwd=repository.parent)
        return replace(cost, stored=allocated(repository) - before)


class Zstd(Program):
    """zstd, which takes one file as the dictionary of another."""

    def patch(self, source: Path, bases: Sequence[Path], target: Path) -> Cost:
        """`zstd -3` of `source`, with `--patch-from` the base if there is one."""
        wide = ["--long=31"] if source.stat().st_size > 128 << 20 else ["--long=27"]
        given = [f"--patch-from={base}" for base in bases]
        return self.run(
            "-3", "-q", "-f", *wide, *given, source, "-o", target, cwd=target.parent, settle=False
        )


class Git(Program):
    """git, for the time of a clean `status`, and of a `checkout` of many small files. It does not fsync."""

    def save(self, workspace: Path) -> None:
        for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "bench")):
            self.run(*arguments, cwd=workspace, settle=False)

    def checkout(self, workspace: Path, revision: str) -> Cost:
        return self.run("checkout", "-q", revision, cwd=workspace)

    def diff(self, workspace: Path, revision: str) -> Cost:
        return self.run("diff", "--stat", revision, cwd=workspace, settle=False)

    def status(self, workspace: Path) -> Cost:
        return self.run("status", "--porcelain", cwd=workspace, settle=False)


class Shell(Program):
    """The system's own `cp` and `sync`: the floor under every copy that lasts."""

    asked = ("-c", "cp --version")

    def copy(self, source: Path, target: Path) -> Cost:
        return self.run("-c", 'cp "$1" "$2"', "sh", source, target, cwd=target.parent)

    def copy_durably(self, source: Path, target: Path) -> Cost:
        """`cp` and then `sync FILE`, which is an fsync of the copy."""
        script = 'cp "$1" "$2" && sync "$2"'
        cost = self.run("-c", script, "sh", source, target, cwd=target.parent)
        return replace(cost, stored=allocated(target))


@dataclass(frozen=True)
class Programs:
    """All of them, found or not."""

    mvc: Mvc
    dvc: Dvc
    restic: Restic
    borg: Borg
    zstd: Zstd
    git: Git
    shell: Shell
    python: Program

    def versions(self) -> dict[str, str]:
        every: list[Program] = [
            self.mvc, self.dvc, self.restic, self.borg, self.zstd, self.git, self.shell,
        ]  # fmt: skip
        return {program.name: program.version() for program in every}


def find(
    home: Path, *, mvc: str | None = None, folders: Sequence[Path] = (), memory: int = 0
) -> Programs:
    """Look for all programs in `folders`, beside this interpreter, and on PATH, in this order.

    `mvc` is a whole command line to use instead, for example "python -m mvc.cli.main"; `memory` is
    made ready before each settled run.
    """
    env = environment(home)
    beside = os.path.dirname(sys.executable)
    path = os.pathsep.join(
        [*map(os.path.abspath, folders), beside, os.environ.get("PATH", os.defpath)]
    )

    def where(program: str) -> list[str] | None:
        found = shutil.which(program, path=path)
        return [found] if found else None

    own = shlex.split(mvc) if mvc else where("mvc")
    if own and os.path.dirname(own[0]):
        own[0] = os.path.abspath(own[0])  # commands run elsewhere
    sync = where("sync") and where("sh")  # the shell alone is of no use here
    dvc_hint = "pip install dvc (in an environment of its own)"
    return Programs(
        mvc=Mvc("mvc", "pip install .", env, own, memory),
        dvc=Dvc("dvc", dvc_hint, env, where("dvc"), memory),
        restic=Restic("restic", "apt-get install restic", env, where("restic"), memory),
        borg=Borg("borg", "apt-get install borgbackup", env, where("borg"), memory),
        zstd=Zstd("zstd", "apt-get install zstd", env, where("zstd"), memory),
        git=Git("git", "apt-get install git", env, where("git"), memory),
        shell=Shell("cp", "apt-get install coreutils", env, sync, memory),
        python=Program("python", "this interpreter", env, [sys.executable], memory),
    )


def said(cost: Cost) -> dict[str, Any]:
    """The JSON object that a command printed."""
    value = json.loads(cost.output)
    assert isinstance(value, dict)
    return value
