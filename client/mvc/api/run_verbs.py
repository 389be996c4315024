"""The part of `Repo` that runs commands and shows lineage."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mvc.api.public import public

if TYPE_CHECKING:
    from mvc.api.lineage import Lineage
    from mvc.api.runs import Reproduction, RunResult
    from mvcd.repo.records.results import Context
    from mvcd.repo.repository import Repository


class RunVerbs:
    """Methods of `Repo` about runs and lineage."""

    _engine: Repository

    if TYPE_CHECKING:

        @property
        def root(self) -> str: ...
        def _context(self, author: str | None = None, *, full: bool = False) -> Context: ...
        def _inside(self, path: str | os.PathLike[str]) -> str: ...

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
        author: str | None = None,
    ) -> RunResult:
        """Runs a command in `directory` (relative to the root) and saves the outcome as one version.

        `seed` reaches it as MVC_SEED and PYTHONHASHSEED. `env` names variables to record besides those that
        decide on threads, devices and hashing; with a value they are set, too. A command that fails saves
        nothing unless `keep_failed`; its status is in the result. Without `inputs` and `outputs` everything
        tracked counts, by whether the run changed it. Raises Failure: "nothing-tracked", "no-command".
        """
        from mvc.api.runs import run  # late: start-up

        return run(
            self._engine, command, context=self._context(author, full=True), message=message,
            seed=seed, env=env or {}, inputs=inputs, outputs=outputs, keep_failed=keep_failed,
            directory=directory,
        )  # fmt: skip

    def require_writable(self) -> None:
        """Raises NotPermitted if nothing can be saved, before a command runs for hours in vain."""
        self._engine.require_writable()

    def lineage(self, rev: str = "HEAD") -> Lineage:
        """Finds the origins of a version and what was made from it; `.prov()` and `.openlineage()` export
        it."""
        from mvc.api.lineage import Lineage  # late: start-up

        return public(Lineage, self._engine.lineage(rev))

    def run_command(self, rev: str = "HEAD") -> tuple[str, ...]:
        """Returns the command that made a version. Raises Failure(kind="no-run")."""
        from mvc.api.runs import record_of  # late: start-up

        return record_of(self._engine, rev).command

    def reproduce(
        self,
        rev: str = "HEAD",
        *,
        into: str | os.PathLike[str] | None = None,
        tolerance: float = 1e-6,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Reproduction:
        """Runs a version's command again in a fresh directory, and compares outputs and metrics.

        The directory holds what the run began with; without `into` (an empty directory) it is temporary. It
        runs what the version says, with your rights: look at `run_command` first if others can write here.
        Raises Failure(kind="no-run") for a version that no run made, MissingObject for absent content.
        """
        from mvc.api.runs import reproduce  # late: start-up

        return reproduce(
            self._engine, rev, context=self._context(full=True),
            into=None if into is None else os.fspath(into), tolerance=tolerance, timeout=timeout,
            env=env or {},
        )  # fmt: skip
