"""How many chunks one Get asks for: about what a client has in hand anyway.

What a server has sent and nobody has taken waits in gRPC, whose windows grow to 16 MiB and more for each call
where frames are taken more slowly than they come; a disk that syncs is enough. Windows of a fixed size would
bound it too, but over a long line they wait: with 4 MiB a fetch of 256 MiB over 200 ms at 1 Gbit/s took 12 s,
with gRPC's own 4, with portions 5.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from mvcd.ids import Digest, Kind
from mvcd.store.frames import RecordFrame

PORTION_BYTES = 10 << 20
"""Bytes of a portion: four frames. A clone of 2 GiB on loopback by a slow client had 250 MiB of heap in use
where one call brought 2048 chunks, and has 115."""
FIRST_CHUNKS = 64
"""Chunks of a portion before anybody knows how large they are."""
GROWING_TIMES = 4
"""Few chunks tell little: a portion has at most so many times what came before."""


class Portions:
    """How large the chunks of one peer are, as far as they came. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks = 0
        self._mean_bytes = 0.0

    def frames(
        self,
        ids: Sequence[Digest],
        most: int,
        ask: Callable[[Sequence[Digest]], Iterator[RecordFrame]],
    ) -> Iterator[RecordFrame]:
        """All that `ask` brings for `ids`, asked for in portions of at most `most` objects. Raises what it
        raises."""
        start = 0
        while start < len(ids):
            # what names chunks is small, and a walk waits for each answer: all that may be asked for at once
            chunks = ids[start].kind is Kind.CHUNK
            end = start + (min(most, self._fitting()) if chunks else most)
            for frame in ask(ids[start:end]):
                self._came(frame)
                yield frame
            start = end

    def _fitting(self) -> int:
        """Chunks of a portion."""
        with self._lock:
            if not self._chunks:
                return FIRST_CHUNKS
            fitting = int(PORTION_BYTES / self._mean_bytes)
            return max(1, min(fitting, max(FIRST_CHUNKS, GROWING_TIMES * self._chunks)))

    def _came(self, frame: RecordFrame) -> None:
        """The mean is that of the last frame: after many small files a large one is soon known for one."""
        if frame.records[0][0].id.kind is Kind.CHUNK:
            with self._lock:
                self._chunks += len(frame.records)
                self._mean_bytes = len(frame.data) / len(frame.records)
