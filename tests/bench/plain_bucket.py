"""As many bytes put into a bucket and got from it by the calls that mvc makes, with nothing read, checked or
written: what bounds a push and a clone there. `python plain_bucket.py put|get URL BYTES`; options by the
environment, as for mvc."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobpacks import BLOCK_BYTES, MAX_RANGE_BLOCKS
from mvcd.store.bucket.packing import SEAL_BYTES, UPLOADS

GETS = 4
"""Ranges got at once, as by the streams of a fetch."""
RANGE_BYTES = BLOCK_BYTES * MAX_RANGE_BLOCKS


def main(way: str, url: str, size: int) -> None:
    count = -(-size // SEAL_BYTES)
    with closing(open_blobs(url, {})) as blobs, ThreadPoolExecutor(max(GETS, UPLOADS)) as pool:
        if way == "put":
            data = os.urandom(min(size, SEAL_BYTES))
            with ThreadPoolExecutor(UPLOADS) as puts:
                list(puts.map(lambda n: blobs.put(f"plain/{n:08}", data), range(count)))
            return
        spans = [
            (one.name, start, min(one.size_bytes, start + RANGE_BYTES))
            for one in blobs.list("plain/")
            for start in range(0, one.size_bytes, RANGE_BYTES)
        ]
        got = pool.map(lambda s: len(blobs.get_ranges(s[0], [(s[1], s[2])])[0]), spans)
        assert sum(got) >= size


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
