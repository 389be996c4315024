"""The part of `Repo` that runs commands and shows lineage."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mvc.api.opened import Opened
from mvc.api.public import public

if TYPE_CHECKING:
    from mvc.api.interpreters import PackageDifference
    from mvc.api.lineage import Lineage
    from mvc.api.runs import Reproduction, RunResult


class RunVerbs(Opened):
    """Methods of `Repo` about runs and lineage."""

    def run(
        self,
        command: Sequence[str],
        *,
        message: str | None = None,
        seed: int | None = None,
        env: Mapping[str, str | None] | None = None,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        directory: str = ".",
        keep_failed: bool = False,
        python: str | None = None,
        author: str | None = None,
    ) -> RunResult:
        """Runs a command in `directory` (relative to the root) and saves the outcome as one version.

        `seed` reaches it as MVC_SEED and PYTHONHASHSEED. `env` names variables to record besides those that
        decide on threads, devices and hashing; with a value they are set, too. A command that fails saves
        nothing unless `keep_failed`; its status is in the result. `python` is an interpreter or a virtual
        environment to run it on, relative to `directory`. Without `inputs` and `outputs` everything
        tracked counts, by whether the run changed it. Raises Failure: "nothing-tracked", "no-command",
        "no-python".
        """
        from mvc.api.runs import run  # late: start-up

        return run(
            self._core, command, context=self._context(author, full=True), message=message,
            seed=seed, env=env or {}, inputs=inputs, outputs=outputs, keep_failed=keep_failed,
            directory=directory, python=python,
        )  # fmt: skip

    def require_writable(self) -> None:
        """Raises NotPermitted if nothing can be saved, before a command runs for hours in vain."""
        self._core.lock.require()

    def lineage(self, rev: str = "HEAD") -> Lineage:
        """Finds the origins of a version and what was made from it; `.prov()` and `.openlineage()` export
        it."""
        from mvc.api.lineage import Lineage  # late: start-up
        from mvcd.repo.history import lineage

        return public(Lineage, lineage.lineage(self._core, rev))

    def run_command(self, rev: str = "HEAD") -> tuple[str, ...]:
        """Returns the command that made a version. Raises Failure(kind="no-run")."""
        from mvcd.repo.history import runs  # late: start-up

        return runs.record_of(self._core, self._core.resolve(rev)).command

    def reproduction_command(
        self, rev: str = "HEAD", *, python: str | os.PathLike[str] | None = None
    ) -> tuple[str, ...]:
        """Returns the command that `reproduce` starts here; nothing runs yet.

        A program that no version has, such as `.venv/bin/python`, is the workspace's one; `python`, an
        interpreter or the directory of a virtual environment, takes the place of the recorded one. Raises
        Failure: "no-run", "no-command" where it is not here, "no-python", "own-python".
        """
        from mvc.api.runs import command_here  # late: start-up

        return command_here(self._core, rev, python=None if python is None else os.fspath(python))

    def reproduce(
        self,
        rev: str = "HEAD",
        *,
        into: str | os.PathLike[str] | None = None,
        tolerance: float = 1e-6,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        python: str | os.PathLike[str] | None = None,
        tell: Callable[[Sequence[PackageDifference]], object] | None = None,
    ) -> Reproduction:
        """Runs a version's command again in a fresh directory, and compares outputs and metrics.

        The directory holds what the run began with; without `into` (an empty directory) it is temporary. It
        runs what the version says, with your rights: look at `reproduction_command` first if others can write
        here; `python` is as there. `tell` hears which packages are not as they were, before the command starts.
        Raises Failure(kind="no-run") for a version that no run made, MissingObject for absent content.
        """
        from mvc.api.runs import reproduce  # late: start-up

        return reproduce(
            self._core, rev, context=self._context(full=True),
            into=None if into is None else os.fspath(into), tolerance=tolerance, timeout=timeout,
            env=env or {}, python=None if python is None else os.fspath(python), tell=tell,
        )  # fmt: skip
