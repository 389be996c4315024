"""Values that verbs about stages return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mvc.api.public import made_from, moment
from mvc.api.results import Value
from mvcd.objects.promotion import Requirement
from mvcd.repo.records.stages import ChainReport
from mvcd.repo.release.gate import GateFailed
from mvcd.repo.release.requirement import CheckedRequirement

if TYPE_CHECKING:
    from mvcd.repo.records import stages as engine

__all__ = [
    "ChainReport",
    "CheckedRequirement",
    "GateFailed",
    "Requirement",
    "StageRecord",
    "Value",
]


def _until(record: engine.StageRecord) -> datetime | None:
    """When the record that ended it was made."""
    ended = record.until
    return None if ended is None else moment(ended.time_us, ended.utc_offset_minutes)


@made_from(
    "promotion",
    version_number="generation",
    until=_until,
    restores=lambda record: record.promotion.restores or None,  # 0: it is no rollback
    previous=lambda record: record.promotion.previous.hex() or None,  # b"" in the first record
)
@dataclass(frozen=True, slots=True)
class StageRecord:
    """One step in a stage's history. Ids and digests are 64 hex digits.

    `step`: "promote", "rollback" (to the holder of record `restores`) or "withdraw". `until` is when the next
    record ended this one, None for the newest. `requirements` were all met; `signatures` are the fingerprints
    of the keys whose valid signatures were demanded and found. `previous` is the digest of the record before.
    """

    stage: str
    number: int
    step: str
    version: str
    version_number: int
    author: str
    time: datetime
    until: datetime | None
    reason: str
    requirements: tuple[Requirement, ...]
    signatures: tuple[str, ...]
    restores: int | None
    digest: str
    previous: str | None

    @property
    def live(self) -> bool:
        """Whether the version holds the stage now, by this record."""
        return self.until is None and self.step != "withdraw"
