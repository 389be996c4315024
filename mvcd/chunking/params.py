"""How large chunks may be. CHUNKING.md gives the reasons for the numbers."""

from __future__ import annotations

from dataclasses import dataclass

from mvcd.errors import UsageError

KIB = 1 << 10

PROPOSAL_SPACING = 1024
"""Bytes between proposals on average (`mvcd.chunking.cut`). A mean gap between cuts cannot be shorter."""

MIN_MIN_SIZE = 256
MAX_MAX_SIZE = 1 << 20
"""Bytes. The lower limit is the window that decides a cut; the upper is that of the object schema."""


@dataclass(frozen=True, slots=True)
class ChunkParams:
    """Sizes in bytes; part of what decides the cut points, so two programs must agree on all three.

    No chunk but the last of a stream is shorter than `min_size`, none is longer than `max_size`. On random
    data the gap from the minimum to the cut is geometric with mean `mean_size - min_size`, so chunks have
    `mean_size` on average, less what the maximum takes away (0.05 % with DEFAULT).

    Raises UsageError unless 256 <= min_size < max_size <= 1 MiB and
    min_size + 1024 <= mean_size <= max_size.
    """

    min_size: int
    mean_size: int
    max_size: int

    def __post_init__(self) -> None:
        if not (
            MIN_MIN_SIZE <= self.min_size < self.max_size <= MAX_MAX_SIZE
            and self.min_size + PROPOSAL_SPACING <= self.mean_size <= self.max_size
        ):
            raise UsageError(
                f"chunk sizes {self.min_size}/{self.mean_size}/{self.max_size} are out of range",
                cause=f"they must obey {MIN_MIN_SIZE} <= min < max <= {MAX_MAX_SIZE} and "
                f"min + {PROPOSAL_SPACING} <= mean <= max",
            )

    @property
    def limit(self) -> int:
        """The largest hash that confirms a proposal: a proposal is confirmed with probability
        PROPOSAL_SPACING / (mean_size - min_size)."""
        return (PROPOSAL_SPACING << 64) // (self.mean_size - self.min_size) - 1


DEFAULT = ChunkParams(min_size=32 * KIB, mean_size=64 * KIB, max_size=256 * KIB)
"""For all bytes whose structure is unknown."""

TENSOR_PIECE = 256 * KIB
"""Bytes. Tensors are cut at their start and then every so many bytes; a multiple of every element size."""
