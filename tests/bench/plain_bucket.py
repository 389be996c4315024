"""As many bytes put into a bucket and got from it by the calls that mvc makes, with nothing read, checked or
written: what bounds a push and a fetch there. `python plain_bucket.py put|get URL BYTES [FILE]`; what is got is
written to FILE, if one is given, and synced. Options come by the environment, as for mvc."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobpacks import BLOCK_BYTES, MAX_RANGE_BLOCKS
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.packing import SEAL_BYTES, UPLOADS

GETS = 4
"""Ranges got at once, as by the streams of a fetch."""
RANGE_BYTES = BLOCK_BYTES * MAX_RANGE_BLOCKS


def main(way: str, url: str, size: int, path: str | None = None) -> None:
    with closing(open_blobs(url, {})) as blobs:
        if way == "put":
            _put(blobs, size)
            return
        file = os.open(path or os.devnull, os.O_RDWR | os.O_CREAT, 0o600)
        assert _got(blobs, file if path else None) >= size
        if path:
            os.fsync(file)
        os.close(file)


def _put(blobs: Blobs, size: int) -> None:
    data = os.urandom(min(size, SEAL_BYTES))
    with ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(lambda n: blobs.put(f"plain/{n:08}", data), range(-(-size // SEAL_BYTES))))


def _got(blobs: Blobs, file: int | None) -> int:
    spans = [
        (one.name, start, min(one.size_bytes, start + RANGE_BYTES))
        for one in blobs.list("plain/")
        for start in range(0, one.size_bytes, RANGE_BYTES)
    ]

    def get(number: int) -> int:
        name, start, end = spans[number]
        (data,) = blobs.get_ranges(name, [(start, end)])
        if file is not None:
            os.pwrite(file, data, number * RANGE_BYTES)
        return len(data)

    with ThreadPoolExecutor(GETS) as pool:
        return sum(pool.map(get, range(len(spans))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
