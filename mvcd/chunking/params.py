"""How large chunks may be. CHUNKING.md gives the reasons for the numbers."""

from __future__ import annotations

from math import exp

from mvcd.errors import UsageError
from mvcd.lateclasses import dataclass

KIB = 1 << 10

PROPOSAL_SPACING_BYTES = 1024
"""Bytes between proposals on average (`mvcd.chunking.cut`); a gap cannot be shorter."""

MIN_MIN_BYTES = 256
MAX_MAX_BYTES = 1 << 20
"""Bytes. The lower limit is the window that decides a cut; the upper is that of the object schema."""


@dataclass(frozen=True, slots=True)
class ChunkParams:
    """Sizes in bytes; part of what decides the cut points, so two programs must agree on all three.

    No chunk but the last of a stream is shorter than `min_size`, none is longer than `max_size`. Between
    the two, proposals that are light enough to cut come every `gap_size` bytes on average.

    Raises UsageError unless 256 <= min_size < max_size <= 1 MiB and gap_size >= 1024.
    """

    min_size: int
    gap_size: int
    max_size: int

    def __post_init__(self) -> None:
        if not (
            MIN_MIN_BYTES <= self.min_size < self.max_size <= MAX_MAX_BYTES
            and self.gap_size >= PROPOSAL_SPACING_BYTES
        ):
            raise UsageError(
                f"chunk sizes {self.min_size}, {self.gap_size}, {self.max_size} are out of range",
                cause=f"they must obey {MIN_MIN_BYTES} <= minimum < maximum <= {MAX_MAX_BYTES} "
                f"and {PROPOSAL_SPACING_BYTES} <= gap",
            )

    @property
    def limit(self) -> int:
        """The largest weight that cuts: a proposal does with probability PROPOSAL_SPACING_BYTES / gap_size."""
        return (PROPOSAL_SPACING_BYTES << 64) // self.gap_size - 1

    @property
    def mean_size(self) -> int:
        """Mean chunk size on random data: cuts come at an exponential distance from the minimum; a chunk
        without one ends at its lightest proposal, which is anywhere up to the maximum."""
        room = self.max_size - self.min_size
        missed = exp(-room / self.gap_size)
        return round(self.min_size + self.gap_size * (1 - missed) - missed * room / 2)


DEFAULT = ChunkParams(min_size=36 * KIB, gap_size=36 * KIB, max_size=112 * KIB)
"""For all bytes whose structure is unknown; 63 KiB on average."""

TENSOR_PIECE_BYTES = 256 * KIB
"""Bytes. Tensors are cut at their start and then every so many bytes; a multiple of every element size."""
