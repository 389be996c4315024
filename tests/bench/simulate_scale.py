"""Where the store's structures end: the index, packs, marks and look-ups, from measured rows to a petabyte.

Rows are put into a real index of LMDB as sessions put them: in batches of one pack's objects, sorted within
each, digests at random. Nothing else of a store is made. What is measured (bytes a row, time to put and to find
one, to read the table of packs, to mark) is carried on to larger stores in proportion. docs/scale.md says what
follows.

    python tests/bench/simulate_scale.py [--rows 3000000] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mvcd.ids import Kind
from mvcd.store.idset import Prefixes
from mvcd.store.index import Index
from mvcd.store.meta import create_numbers
from mvcd.store.pack import SEAL_BYTES
from mvcd.store.rows import ObjectLocation
from mvcd.store.writers import pack_rows, put_pack_row

OBJECT_BYTES = 128 << 10
"""Stored bytes of a mean object: pieces of tensors of 256 KiB at 0.5 of raw."""
BATCH_ROWS = SEAL_BYTES // OBJECT_BYTES
LOOKED_ROWS = 20_000
STORES = {"1 TB": 10**12, "10 TB": 10**13, "100 TB": 10**14, "1 PB": 10**15}


def batches(count: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Rows of one pack after another."""
    for pack in range(count // BATCH_ROWS):
        rows = []
        for n in range(BATCH_ROWS):
            at = ObjectLocation(
                pack, n * OBJECT_BYTES % SEAL_BYTES, OBJECT_BYTES, 1 << 18, Kind.CHUNK, None
            )
            rows.append((os.urandom(32), at.row()))
        yield sorted(rows)


def fill(index: Index, count: int) -> tuple[float, list[bytes]]:
    """CPU seconds a row, and some of the ids."""
    spent, some = 0.0, []
    for pack, rows in enumerate(batches(count)):
        began = time.process_time()

        def work(txn, pack=pack, rows=rows):  # type: ignore[no-untyped-def]
            txn.cursor(db=index.objects).putmulti(rows, overwrite=False)
            put_pack_row(index, txn, pack, SEAL_BYTES, True)

        index.write(work)
        spent += time.process_time() - began
        some.append(rows[0][0])
    return spent / count, some


def measure(scratch: Path, count: int) -> None:
    place = scratch / f"{count}"
    place.mkdir()
    index = Index.acquire(str(place), create=True)
    index.write(lambda txn: create_numbers(index, txn, 1))
    put, some = fill(index, count)
    began = time.process_time()
    for n in range(LOOKED_ROWS):
        index.lookup(some[n % len(some)])
    found = (time.process_time() - began) / LOOKED_ROWS
    began = time.process_time()
    with index.read() as txn:
        packs = len(pack_rows(index, txn))
    table = (time.process_time() - began) / packs
    began = time.process_time()
    marks = Prefixes(os.urandom(32) for _ in range(min(count, 300_000)))
    marked = (time.process_time() - began) / min(count, 300_000)
    size = sum(len(part) for part in marks.parts())
    row_bytes = index.used_bytes() / count
    print(
        f"| {count:,} | {row_bytes:.0f} | {1e6 * put:.1f} | {1e6 * found:.1f} | {1e6 * table:.1f} "
        f"| {1e6 * marked:.2f} |"
    )
    assert size
    index.release()
    carried_on(row_bytes, table, marked)
    shutil.rmtree(place)


def carried_on(row_bytes: float, table: float, marked: float) -> None:
    print("\n| store | objects | index | packs | their table, whole | marks | marking chunks |")
    print("|---|---|---|---|---|---|---|")
    for name, size in STORES.items():
        objects, packs = size // OBJECT_BYTES, size // SEAL_BYTES
        print(
            f"| {name} | {objects:.1e} | {objects * row_bytes / 1e9:.1f} GB | {packs:,} "
            f"| {packs * table:.1f} s | {8 * objects / 1e9:.2f} GB | {objects * marked:.0f} s |"
        )
    print()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--scratch", type=Path)
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="mvc-scale-", dir=options.scratch))
    print(
        "| rows | bytes a row | us to put one | to find one | to read a pack's row | to mark one |"
    )
    print("|---|---|---|---|---|---|")
    try:
        measure(scratch, options.rows)
    finally:
        shutil.rmtree(scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
