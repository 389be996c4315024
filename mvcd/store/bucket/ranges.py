"""Which ranges of an object to read for the spans that are wanted: few calls, none so long that it holds up
others.

A call costs some milliseconds at least, in which a line carries far more than one span: neighbours up to
`GAP_BYTES` apart are read as one. What is longer than `RANGE_BYTES` is read in pieces, several at once: one
connection to S3 carries about 90 MB/s, however wide the line
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ optimizing-performance-design-patterns.html advises 8 to
16 MB a request; 1 to 4 MiB were as fast on Ceph).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

GAP_BYTES = 256 << 10
RANGE_BYTES = 4 << 20

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RangePlan:
    """Ranges to read, in their order and without overlap, and the spans to cut from them."""

    reads: list[Span]
    spans: Sequence[Span]

    def cut(self, data: Sequence[bytes]) -> list[bytes]:
        """The spans' bytes, from those of `reads`."""
        starts = [start for start, _ in self.reads]
        found = []
        for start, end in self.spans:
            number = bisect_right(starts, start) - 1
            parts, at = [], start
            while at < end:
                first, last = self.reads[number]
                parts.append(data[number][at - first : min(end, last) - first])
                at, number = min(end, last), number + 1
            found.append(parts[0] if len(parts) == 1 else b"".join(parts))
        return found


def plan(spans: Sequence[Span], gap: int = GAP_BYTES, most: int = RANGE_BYTES) -> RangePlan:
    """The ranges to read: joined where at most `gap` bytes lie between, at most `most` bytes each. Empty spans
    need none. Raises ValueError for a span that ends before it begins."""
    joined: list[list[int]] = []
    for start, end in sorted(spans):
        if not 0 <= start <= end:
            raise ValueError(f"no span: {start} to {end}")
        if start == end:
            continue
        if joined and start <= joined[-1][1] + gap:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    reads = [(at, min(at + most, end)) for start, end in joined for at in range(start, end, most)]
    return RangePlan(reads, spans)
