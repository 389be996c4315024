"""What the C library does with freed blocks of a few hundred KiB to a few MiB: chunks and frames, which come
and go all the time.

glibc's way is to give such blocks back to the kernel, which clears a new page for each 4 KiB of the next one,
and to keep eight heaps a core, each with the frames that once passed through it. Process-wide, so it is for
programs to call and not for libraries. Elsewhere than on glibc nothing happens.
"""

from __future__ import annotations

import threading

from mvcd import _heap

_KEPT_BYTES = 32 << 20
"""Freed bytes at the end of a heap that are kept."""


def keep_blocks(*, heaps: int | None = None) -> None:
    """Blocks are reused rather than given back: a push of 1 GiB spends 0.2 of 0.8 s in the kernel less, its
    server 0.4 of 1.1. With `heaps`, all threads share so many: the server of one push took 440 MiB with its
    eight per core, and takes 90.

    Call it before the first thread begins. Heaps that are there stay, and glibc counts how many there may be
    just once: a server that called this after gRPC had started its threads had all 16 of two cores. Each keeps
    what its largest calls ever took, so that it grew from 43 to 112 MiB within six minutes of mixed work, of
    which 11 were in use."""
    _heap.keep(_KEPT_BYTES, heaps or 0)


def give_back() -> None:
    """Gives free blocks back to the kernel: 2 to 6 ms for 30 MiB of them, 10 us where there are none.

    What is free at the end of a heap other than the first stays, up to _KEPT_BYTES (glibc's mtrim): the second
    one of a server had 9 MiB after two minutes of mixed work and 25 after ten, with 15 in use in both."""
    _heap.trim()


class Relief:
    """Gives free blocks back to the kernel from time to time, where many that do the same thing at once leave
    the heap full of holes: a server of 64 pushes had 186 of 480 MiB in them."""

    def __init__(self, each: int) -> None:
        """`each`: bytes that come and go between two times."""
        self._each = each
        self._moved = 0
        self._lock = threading.Lock()

    def moved(self, size: int) -> None:
        with self._lock:
            self._moved += size
            if self._moved < self._each:
                return
            self._moved = 0
        give_back()
