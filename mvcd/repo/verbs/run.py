"""The part of a repository that knows what made what (runs.py, lineage.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.results import Context

if TYPE_CHECKING:
    from mvcd.repo.history.lineage import Lineage
    from mvcd.repo.history.runs import FileOutcome, MetricOutcome, Prepared, RunRecord


class RunVerbs:
    """Methods of a class that has a core."""

    _core: Core

    def lineage(self, rev: str = "HEAD") -> Lineage:
        """What made a version, and what was made from it."""
        from mvcd.repo.history import lineage  # late: start-up

        return lineage.lineage(self._core, rev)

    def require_writable(self) -> None:
        """Raises NotPermitted where nothing can be saved."""
        self._core.lock.require()

    def edited(self) -> dict[str, str]:
        """Tracked files that HEAD does not have as they are: path -> recipe id, "" for a deleted one."""
        from mvcd.repo.history import runs  # late: start-up

        return runs.edited(self._core)

    def run_record(self, id: VersionId) -> RunRecord:
        from mvcd.repo.history import runs  # late: start-up

        return runs.record_of(self._core, id)

    def prepare_run(self, id: VersionId, directory: str) -> Prepared:
        """Writes what a version's run began with into an empty directory."""
        from mvcd.repo.history import runs  # late: start-up

        return runs.prepare(self._core, id, directory)

    def judge_run(
        self, id: VersionId, prepared: Prepared, directory: str, context: Context, tolerance: float
    ) -> tuple[tuple[FileOutcome, ...], tuple[MetricOutcome, ...]]:
        """Compares a directory where the run was repeated with the version."""
        from mvcd.repo.history import runs  # late: start-up

        return runs.judge(self._core, id, prepared, directory, context, tolerance)
