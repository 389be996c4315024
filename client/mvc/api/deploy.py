"""Deployment copies: exports, and proof that a copy is unchanged."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from mvc.api.public import made_from, public
from mvc.api.results import Component, Monitor
from mvcd.ids import VersionId
from mvcd.repo.core.core import open_at
from mvcd.repo.records import stages
from mvcd.repo.release import verify_deploy as engine
from mvcd.repo.release.verify_deploy import DeployProblem

__all__ = ["DeployProblem", "DeployReport", "Deployed", "Export", "verify_deploy"]

_WHOLE_ID = re.compile(r"[0-9a-f]{64}")


@made_from(
    number="record.generation",
    message="record.message",
    components="only",
    files=lambda manifest: len(manifest.files),
    size=lambda manifest: sum(f.entry.size for f in manifest.files),
    left_out=lambda manifest: tuple(f.entry.path for f in manifest.left_out),
    stage=lambda manifest: manifest.promotion and manifest.promotion.stage,
    stage_record=lambda manifest: manifest.promotion and manifest.promotion.number,
)
@dataclass(frozen=True, slots=True)
class Deployed:
    """The version that a deployment copy says it is. `stage` and `stage_record`: if it was exported by a
    stage's name. `left_out`: files of its weights that were not exported."""

    version: str
    number: int
    message: str
    components: tuple[Component, ...]
    files: int
    size: int
    stage: str | None
    stage_record: int | None
    left_out: tuple[str, ...]


@made_from(deployed="manifest")
@dataclass(frozen=True, slots=True)
class Export:
    """Result of an export: version and directory. `replaced` is the version of the export that was there."""

    directory: str
    deployed: Deployed
    replaced: str | None


@made_from(deployed="manifest")
@dataclass(frozen=True, slots=True)
class DeployReport:
    """Result of verify_deploy: whether a directory is the version of its manifest, and the one `expected`, if
    given."""

    directory: str
    deployed: Deployed
    expected: str | None
    problems: tuple[DeployProblem, ...]
    bytes_read: int

    @property
    def same_version(self) -> bool:
        """Whether the copy is the expected version, or none was expected."""
        return self.expected in (None, self.deployed.version)

    @property
    def ok(self) -> bool:
        """Whether all is equal, and the version the expected one."""
        return self.same_version and not self.problems


def verify_deploy(
    directory: str | os.PathLike[str],
    rev: str | None = None,
    *,
    repo: str | os.PathLike[str] = ".",
    monitor: Monitor | None = None,
) -> DeployReport:
    """Reads every file of a deployment copy and compares it with the manifest, which proves its version's id.

    Without `rev`, and with a whole id (64 hex digits) as `rev`, no repository is needed; any other revision is
    looked up in the one at or above `repo`; if it is a stage, the copy's record of promotion has to be in its
    history too. Raises Failure(kind="no-manifest"), IntegrityError for a manifest that contradicts itself,
    NoRepository.
    """
    place = os.fspath(directory)
    if rev is None or _WHOLE_ID.fullmatch(rev.lower()):
        expected = None if rev is None else VersionId.parse(rev)
        return public(DeployReport, engine.verify_deploy(place, expected=expected, monitor=monitor))
    with open_at(os.fspath(repo)) as core:
        expected = core.resolve(rev)
        found = engine.verify_deploy(place, expected=expected, monitor=monitor)
        made = found.manifest.promotion
        stage = rev.removeprefix("@").partition("@")[0]
        if made is not None and made.stage == stage and not stages.knows(core.store, made):
            found = engine.with_foreign_record(found)
    return public(DeployReport, found)
