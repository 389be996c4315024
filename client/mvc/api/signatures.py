"""Answers of the verbs that deal with signatures."""

from __future__ import annotations

from mvcd.lateclasses import dataclass
from mvcd.repo.trust.signatures import SignatureStatus

__all__ = ["SignatureReport", "SignatureStatus"]


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """The signatures of one version, or of one tag (then `tag` is its name), the good ones first."""

    version: str
    number: int
    tag: str | None
    signatures: tuple[SignatureStatus, ...]

    @property
    def ok(self) -> bool:
        """Whether somebody who may sign did. Others' signatures beside it, good or not, change nothing."""
        return any(s.good for s in self.signatures)
