"""Values that verbs about stages return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mvc.api.results import Value, moment
from mvcd.objects.promotion import Requirement
from mvcd.repo import stages as engine
from mvcd.repo.gate import GateFailed
from mvcd.repo.requirement import Checked as CheckedRequirement
from mvcd.repo.stages import ChainReport

__all__ = [
    "ChainReport",
    "CheckedRequirement",
    "GateFailed",
    "Requirement",
    "StageRecord",
    "Value",
]


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

    @classmethod
    def of(cls, record: engine.StageRecord) -> StageRecord:
        made, until = record.promotion, record.until
        return cls(
            stage=made.stage,
            number=made.number,
            step=made.step.name.lower(),
            version=made.version.hex(),
            version_number=record.generation,
            author=made.author,
            time=moment(made.time_us, made.utc_offset_minutes),
            until=None if until is None else moment(until.time_us, until.utc_offset_minutes),
            reason=made.reason,
            requirements=made.requirements,
            signatures=made.signatures,
            restores=made.restores or None,
            digest=record.digest,
            previous=made.previous.hex() or None,
        )

    @property
    def live(self) -> bool:
        """Whether the version holds the stage now, by this record."""
        return self.until is None and self.step != "withdraw"
