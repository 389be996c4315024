"""Writes a frozen repository as this version of mvc makes it: `PYTHONPATH=. python make.py NAME`.

NAME.tar.xz holds two workspaces: `work`, with everything, and `part`, a clone that left content out. What is in
them is written down in NAME.json. The tests read the archives and never run this: an archive is made once for a
format, by a version of mvc that wrote it, and stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mvcd.codec.encoded import Codec
from mvcd.objects.version import Component
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.joining.threeway import Choices
from mvcd.store.record import PACK_HEADER, scan
from tests.codec.samples import PACK, noise, table, weights
from tests.repo.keys import make_key
from tests.support.engine import Repository
from tests.support.workspace import Bench

HERE = Path(__file__).parent
PLANE_TIERS = 3


def tensors(**values: tuple[str, list[float]]) -> bytes:
    """A safetensors file."""
    header: dict[str, Any] = {}
    body = b""
    for name, (dtype, numbers) in values.items():
        data = PACK[dtype][1](numbers)
        header[name] = {
            "dtype": dtype,
            "shape": [len(numbers)],
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def model(step: int) -> bytes:
    """BF16 for tiers, a little other in each step for deltas; F32 and a constant."""
    wide = [value + step * 1e-4 * (n % 7 == 0) for n, value in enumerate(weights(4096))]
    narrow = [value + step * 1e-3 for value in weights(500, seed=2)]
    return tensors(wide=("BF16", wide), narrow=("F32", narrow), zeros=("F32", [0.0] * 300))


def fill(bench: Bench, keys: Path) -> str:
    """Makes the history of `work`; answers the line of an allowed-signers file."""
    key = make_key(keys)
    bench.write(
        {
            "model.safetensors": model(0),
            "net.py": "layers = 2\n",
            "params.yaml": "lr: 0.1\n",
            "data/train.csv": table(120),
            "data/deep/rows.bin": noise(3000),
            "metrics.json": '{"val_acc": 0.5}\n',
            "run.sh": "#!/bin/sh\n",
            "ümläut/日本.txt": "not ASCII\n",
            "empty": b"",
        }
    )
    os.chmod(bench.path("run.sh"), 0o755)
    os.symlink("params.yaml", bench.path("link"))
    bench.add()
    bench.commit("first")
    bench.save({"model.safetensors": model(1), "metrics.json": '{"val_acc": 0.75}\n'}, "second")
    bench.repo.create_tag("v1.0", "v2", context=bench.context(), message="the first release")
    bench.repo.create_branch("wide", "v2", context=bench.context())
    bench.save({"params.yaml": "lr: 0.05\n"}, "third, on main")
    bench.repo.switch("wide", context=bench.context())
    bench.save({"net.py": "layers = 3\n", "model.safetensors": model(2)}, "third, on wide")
    bench.repo.switch("main", context=bench.context())
    bench.repo.merge("wide", Choices(), context=bench.context())
    bench.remove("data/deep/rows.bin")
    bench.write({"metrics.json": '{"val_acc": 0.875}\n'})
    bench.commit("signed", signer=key.signer)
    bench.repo.create_tag("signed", "HEAD", context=bench.context(), signer=key.signer)
    bench.repo.promote("v1.0", "production", context=bench.context(), reason="release")
    bench.repo.promote("HEAD", "production", context=bench.context(), require=["val_acc>0.8"])
    bench.repo.stage_rollback("production", context=bench.context(), reason="too slow")
    bench.repo.undo(context=bench.context())
    bench.repo.rollback("v2", context=bench.context())
    bench.write({"notes.txt": "not saved\n"})
    return key.line()


def part(bench: Bench, target: Path) -> None:
    """A clone that has the weights of the newest version alone."""
    wanted = Wanted(frozenset([Component.WEIGHTS]), 1)
    made, _ = Repository.clone(
        str(bench.root), str(target), wanted=wanted, context=bench.context(), secret=lambda *_: None
    )
    made.close()


def described(root: Path) -> dict[str, Any]:
    """What the archive must still say when it is read by a later version."""
    with Repository.open(str(root)) as repo:
        heads = {branch.name: branch.version.hex() for branch in repo.branches()}
        versions: dict[str, Any] = {}
        for name in heads:
            for entry in repo.history(name):
                versions[entry.id.hex()] = {
                    "number": entry.version.generation,
                    "message": entry.version.message,
                    "parents": [p.hex() for p in entry.version.parents],
                    "files": _digests(repo, entry.id.hex()),
                }
        return {
            "head": repo.head.version.hex(),
            "branches": heads,
            "tags": {tag.name: [tag.version.hex(), tag.message] for tag in repo.tags()},
            "stages": {
                newest.promotion.stage: [
                    [row.promotion.step.name, row.promotion.version.hex(), row.promotion.reason]
                    for row in repo.stage_history(newest.promotion.stage)
                ]
                for newest in repo.stages()
            },
            "operations": [operation.verb for operation in repo.operations()],
            "versions": versions,
        }


def _digests(repo: Repository, rev: str) -> dict[str, list[str]]:
    return {
        row.path: [row.mode, hashlib.sha256(repo.read(row.path, rev)).hexdigest()]
        for row in repo.ls(rev)
    }


def codecs(root: Path) -> Mapping[str, int]:
    """How many records of each codec the packs hold, and how many planes rest as tiers."""
    found: dict[str, int] = {}
    for path in sorted((root / ".mvc" / "store" / "packs").glob("*.pack")):
        for _, record in scan(path.read_bytes(), PACK_HEADER.size):
            found[record.codec.name] = found.get(record.codec.name, 0) + 1
            if record.codec in (Codec.PLANES2, Codec.PLANES4):
                width = {Codec.PLANES2: 2, Codec.PLANES4: 4}[record.codec]
                kinds = [record.body[1 + 4 * plane] for plane in range(width)]
                found["tiers"] = found.get("tiers", 0) + kinds.count(PLANE_TIERS)
    return found


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "keys").mkdir()
        with Bench(place / "work") as bench:
            line = fill(bench, place / "keys")
            part(bench, place / "part")
        whole = described(place / "work") | {
            "signer": line,
            "codecs": codecs(place / "work"),
        }
        (HERE / f"{name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
        shutil.rmtree(place / "keys")
        with tarfile.open(HERE / f"{name}.tar.xz", "w:xz", preset=9) as archive:
            for top in ("part", "work"):
                archive.add(place / top, top)


if __name__ == "__main__":
    main(sys.argv[1])
