"""What a rule or a format says of files: whether all is there, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SaveState(Enum):
    """PROVEN: nothing more will come. COMPLETE: all is there, more may come beside it (quiet decides)."""

    PROVEN = "proven"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    state: SaveState
    reason: str = ""


PROVEN = Verdict(SaveState.PROVEN)
COMPLETE = Verdict(SaveState.COMPLETE)
UNKNOWN = Verdict(SaveState.UNKNOWN)


def incomplete(reason: str) -> Verdict:
    return Verdict(SaveState.INCOMPLETE, reason)


def of_length(size: int, wanted: int) -> Verdict:
    """A file of `size` bytes whose header promises `wanted`; UNKNOWN when something follows them."""
    if size < wanted:
        return incomplete(f"{size} of {wanted} bytes are there")
    return PROVEN if size == wanted else UNKNOWN
