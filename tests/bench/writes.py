"""Writes noise to a file as a checkout might, to compare what each way takes: `writes.py HOW PATH SIZE`.

    cached   calls of 4 MiB through the page cache
    past     calls of 4 MiB that the page cache does not keep (RWF_DONTCACHE), as mvcd/disk/uncached.py does
    short    the same in calls of 1 MiB
    direct   O_DIRECT, through an aligned buffer that each 4 MiB is copied to

Each gets its pieces of 256 KiB, as a decoder gives them, and ends with an fsync. Where the kernel or the file
system cannot do it, it fails.
"""

from __future__ import annotations

import mmap
import os
import sys

PIECE = 256 << 10
TASK = 4 << 20
SHORT = 1 << 20
DONTCACHE = 0x80


def write(how: str, path: str, size: int) -> None:
    pieces = [os.urandom(PIECE) for _ in range(TASK // PIECE)]
    direct = os.O_DIRECT if how == "direct" else 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | direct)
    buffer = mmap.mmap(-1, TASK)
    call = SHORT if how == "short" else TASK
    flags = DONTCACHE if how in {"past", "short"} else 0
    for offset in range(0, size, call):
        if direct:
            for at, piece in enumerate(pieces):
                buffer[at * PIECE : (at + 1) * PIECE] = piece
            os.pwrite(file, buffer, offset)
        else:
            os.pwritev(file, pieces[: call // PIECE], offset, flags)
    os.fsync(file)
    os.close(file)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
