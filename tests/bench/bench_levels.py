"""Reading chunks that rest on others: CPU seconds a GB of what is read, by how many levels lie below.

Checkpoints of a run (series.py; `--made DIRECTORY` for some that were made before) are committed one after
another under the same path; then chunks of each depth are read through the store, digests checked, one at a
time. Beside them stand the parts that no reader can do without: decoding a chunk that is stored whole, and its
digest. Times are CPU times of the one thread that does it: the best, and the median, of `--rounds`. With
`--keep-blocks` it reads as the programs of mvc do, which tell the C library to keep freed blocks; without it as
a library in somebody else's program.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import report  # noqa: F401 - makes `tests` known, wherever this is started

from mvcd.codec.decode import decode
from mvcd.heap import keep_blocks
from mvcd.ids import ChunkId
from mvcd.repo.bases.chains import chain_of
from mvcd.store.api import Store
from tests.support.workspace import Bench

KINDS = {"BF16": "bf16-", "FP32": ""}
MOST_CHUNKS = 64
CHUNK_BYTES = 256 << 10


def by_depth(store: Store) -> dict[int, list[ChunkId]]:
    """Chunks of 256 KiB, by the levels below them."""
    found: dict[int, list[ChunkId]] = defaultdict(list)
    for id, info in store.ids():
        if isinstance(id, ChunkId) and info.raw_size == CHUNK_BYTES:
            levels = len(chain_of(lambda one: store.info(one).base, id)) - 1
            found[levels].append(id)
    return {levels: ids[:MOST_CHUNKS] for levels, ids in sorted(found.items())}


def clock(work: Callable[[], object], chunks: int, rounds: int) -> tuple[float, float]:
    """CPU seconds a GB, the best and the median."""
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    gb = chunks * CHUNK_BYTES / 1e9
    return min(times) / gb, statistics.median(times) / gb


def measure(store: Store, rounds: int) -> dict[str, tuple[float, float]]:
    found = {}
    for levels, ids in by_depth(store).items():
        found[f"{levels} levels"] = clock(
            lambda: [store.get(id) for id in ids],  # noqa: B023 - called at once
            len(ids),
            rounds,
        )
        if levels == 0:
            stored, raw = [store.get_encoded(id) for id in ids], [store.get(id) for id in ids]
            found["decoding whole"] = clock(lambda: [*map(decode, stored)], len(ids), rounds)  # noqa: B023
            found["digests"] = clock(lambda: [*map(ChunkId.of, raw)], len(ids), rounds)  # noqa: B023
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=1024, help="of the four square matrices")
    parser.add_argument("--checkpoints", type=int, default=13)
    parser.add_argument("--made", type=Path, help="a directory that series.py filled before")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep-blocks", action="store_true")
    options = parser.parse_args()
    if options.keep_blocks:
        keep_blocks()
    with tempfile.TemporaryDirectory() as scratch:
        made = options.made or Path(scratch, "made")
        if options.made is None:
            made.mkdir()
            program = Path(__file__).with_name("series.py")
            argv = [sys.executable, program, made, str(options.checkpoints), str(options.width)]
            subprocess.run(argv, check=True)
        for kind, prefix in KINDS.items():
            bench = Bench(Path(scratch, kind))
            for number in range(1, options.checkpoints + 1):
                data = (made / f"{prefix}{number:03}.safetensors").read_bytes()
                bench.save({"model.safetensors": data})
            found = measure(bench.repo.store, options.rounds)
            bench.repo.close()
            print(kind, json.dumps({k: [round(t, 2) for t in v] for k, v in found.items()}))


if __name__ == "__main__":
    main()
