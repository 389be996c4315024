"""A repository's verbs for saving by itself: where HEAD stands, what is gone, and versions of captures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mvcd.ids import VersionId

if TYPE_CHECKING:
    from mvcd.repo.change.captured import Describe, Saved
    from mvcd.repo.change.captures import Capture, Captures
    from mvcd.repo.core.core import Core
    from mvcd.repo.records.refs import HeadValue
    from mvcd.repo.records.results import Context
    from mvcd.repo.workspace.scan import Scan


class CaptureVerbs:
    """Mixed into Repository."""

    _core: Core

    def save_capture(
        self,
        captures: Captures,
        capture: Capture,
        *,
        context: Context,
        describe: Describe,
        confirm: Callable[[], Mapping[str, str]] = dict,
    ) -> Saved:
        """Makes a version of what was taken (captured.py). Raises captured.Broken."""
        from mvcd.repo.change import captured  # late: start-up

        return captured.save(
            self._core, captures, capture, context, describe=describe, confirm=confirm
        )

    def stand(self) -> tuple[HeadValue, VersionId]:
        """Where HEAD stands, and the version there."""
        return self._core.head_value(), self._core.head().version

    def gone(self, scan: Scan) -> Sequence[str]:
        """Files that HEAD's version has and the workspace has not, also after a scan without the cache."""
        from mvcd.repo.change import captured  # late: start-up

        if not scan.fresh:
            return captured.had(self._core, scan.vanished)
        version = self._core.version(self._core.head().version)
        shown = {c.path for c in scan.candidates}
        gone = captured.gone_of(version, self._core.fetch, shown, self._core.left_out())
        return [path for path in gone if scan.unreadable.above(path) is None]
