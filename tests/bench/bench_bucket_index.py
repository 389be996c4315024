"""What a bucket of a million objects costs a client that knows nothing of it yet.

A bucket in a directory gets --size small chunks and one version with one small file. `mvc clone` of it, with an
empty cache, brings the index of all of them here before it reads the one file: its peak memory, and the time
until the file is there. Beside it stands the same with the index that the first one left, and its CPU time.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from measure import Cost, interleave
from report import Bench, main

MEMORY_MIB, SECONDS = 200, 2
_FILL = """
import os, sys
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId
from mvcd.store.readymade import made_ready
from mvcd.store.stores import open_bucket
with open_bucket(sys.argv[1], {}) as store, store.session() as session:
    for start in range(0, int(sys.argv[2]), 8192):
        bodies = [os.urandom(32) for _ in range(min(8192, int(sys.argv[2]) - start))]
        ids = [ChunkId.of(body) for body in bodies]
        session.missing(ids)
        session.put_ready(made_ready({id: Encoded(Codec.RAW, 32, b) for id, b in zip(ids, bodies)}))
    session.flush()
"""


def body(bench: Bench) -> None:
    mvc, work = bench.programs.mvc, bench.scratch / "work"
    work.mkdir()
    (work / "a.bin").write_bytes(os.urandom(3000))
    url = f"bucket+file://{bench.scratch / 'bucket'}"
    mvc.init(work)
    mvc.save(work)
    mvc.run("remote", "add", "origin", url, cwd=work, settle=False)
    mvc.run("push", cwd=work, settle=False)
    python = bench.programs.python
    python.run("-c", _FILL, url, str(bench.size), cwd=work, settle=False)
    rounds = interleave(
        {"clone": partial(_clones, bench, url)}, rounds=bench.rounds, scratch=bench.scratch
    )
    bench.keep_rounds(rounds)
    bench.at_most(
        "peak memory of a clone by a client without an index", MEMORY_MIB, "MiB",
        lambda: rounds.peak("clone cold", per=1 << 20),
    )  # fmt: skip
    bench.at_most(
        "time of it until its one small file is there", SECONDS, "s",
        lambda: rounds.wall("clone cold"),
    )  # fmt: skip


def _clones(bench: Bench, url: str, scratch: Path) -> Mapping[str, Cost]:
    mvc = bench.programs.mvc
    shutil.rmtree(Path(mvc.env["XDG_CACHE_HOME"]), ignore_errors=True)
    return {
        f"clone {how}": mvc.run("clone", url, scratch / how, cwd=scratch)
        for how in ("cold", "warm")
    }


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1000000", quick="100000", rounds=3))
