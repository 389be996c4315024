"""Reads files past the page cache and writes noise to another at the same time.

    readandwrite.py TARGET SIZE FILE...

What a checkout has to do with the disk, and no more: packs are not in the page cache, for neither a commit nor
a fetch leaves them there.
"""

from __future__ import annotations

import mmap
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import writes

READ = 2 << 20


def read(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer, at = mmap.mmap(-1, READ), 0
    while count := os.preadv(file, [buffer], at):
        at += count
    os.close(file)


if __name__ == "__main__":
    target, size, *sources = sys.argv[1:]
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(writes.write, "past", target, int(size)),
            pool.submit(lambda: [read(source) for source in sources]),
        ]
    for one in running:
        one.result()
