"""What it costs to know a file's SHA-256.

`mvc commit` of a BF16 safetensors file of --size where `mvc.toml` asks for sha256, against the same commit
where it does not, with `sha256sum` of the file added: a second reading, which is what others do.

`mvc ls --digest sha256` where nothing is remembered, from what is stored, against `sha256sum`; then again.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import data
from measure import Cost, Unmeasured, interleave
from report import Bench, main

_NAME = "model.safetensors"


def body(bench: Bench) -> None:
    shell, mvc = bench.programs.shell, bench.programs.mvc
    source = data.make("bf16", bench.scratch / "source" / _NAME, bench.size)

    def prepare(directory: Path) -> None:
        mvc.init(directory)
        shutil.copyfile(source, directory / _NAME)
        mvc.add(directory)

    def asked(directory: Path) -> Mapping[str, Cost]:
        (directory / "mvc.toml").write_text("[digests]\nsha256 = true\n")
        prepare(directory)
        return {"commit, asked": mvc.commit(directory)}

    def apart(directory: Path) -> Mapping[str, Cost]:
        prepare(directory)
        committed = mvc.commit(directory)
        summed = shell.run("-c", 'sha256sum "$1"', "sh", directory / _NAME, cwd=directory)
        first = mvc.run("ls", "--digest", "sha256", cwd=directory)
        again = mvc.run("ls", "--digest", "sha256", cwd=directory)
        _require_equal(summed, first, again)
        return {
            "commit": committed,
            "commit + sha256sum": committed + summed,
            "sha256sum": summed,
            "ls --digest": first,
            "ls --digest, again": again,
        }

    rounds = interleave(
        {"asked": asked, "apart": apart}, rounds=bench.rounds, scratch=bench.scratch
    )
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    bench.at_most(
        "Commit with SHA-256: wall time against the commit and `sha256sum`", 1.0, "x",
        partial(rounds.ratio, "commit, asked", "commit + sha256sum"),
    )  # fmt: skip
    bench.at_least(
        "SHA-256 from what is stored: speed against `sha256sum`", 0.5, "x",
        partial(rounds.ratio, "sha256sum", "ls --digest"),
    )  # fmt: skip
    bench.at_most(
        "Peak memory of a commit with SHA-256", 300, "MiB",
        partial(rounds.peak, "commit, asked", per=data.MIB),
    )  # fmt: skip
    shutil.rmtree(source.parent)


def _require_equal(summed: Cost, *listed: Cost) -> None:
    for cost in listed:
        if summed.output[:64] not in cost.output:
            raise Unmeasured("mvc ls --digest says something else than sha256sum")


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1GiB", quick="128MiB"))
