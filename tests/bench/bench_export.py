"""How long a deployment copy takes to be made, and to be proved.

`mvc export` of a version whose one BF16 safetensors file has --size: every byte's digest checked, its SHA-256
taken, all durable, there whole or not at all. Against `cp` + `sync` followed by `sha256sum` of the copy.

`mvc verify-deploy` of that copy: each file's SHA-256, and its recipe cut anew, up to the version's id. Against
`sha256sum` alone. A changed byte must be found, outside of the clock.
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

    def subject(directory: Path) -> Mapping[str, Cost]:
        workspace, copy = directory / "work", directory / "copy"
        workspace.mkdir()
        mvc.init(workspace)
        shutil.copyfile(source, workspace / _NAME)
        mvc.add(workspace)
        mvc.commit(workspace)
        exported = mvc.run("-C", workspace, "export", "HEAD", copy, cwd=directory)
        verified = mvc.run("verify-deploy", copy, cwd=directory)
        _require_proof(bench, directory, copy)
        return {"mvc export": exported, "mvc verify-deploy": verified}

    def peers(directory: Path) -> Mapping[str, Cost]:
        copied = shell.copy_durably(source, directory / _NAME)
        summed = shell.run("-c", 'sha256sum "$1"', "sh", directory / _NAME, cwd=directory)
        return {"cp + sync + sha256sum": copied + summed, "sha256sum": summed}

    rounds = interleave({"mvc": subject, "cp": peers}, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    bench.at_least(
        "Export: speed against `cp` + `sync` + `sha256sum`", 0.5, "x",
        partial(rounds.ratio, "cp + sync + sha256sum", "mvc export"),
    )  # fmt: skip
    bench.at_least(
        "Verification of a copy: speed against `sha256sum`", 1.0, "x",
        partial(rounds.ratio, "sha256sum", "mvc verify-deploy"),
    )  # fmt: skip
    for verb in ("export", "verify-deploy"):
        bench.at_most(
            f"Peak memory of `{verb}`",
            300,
            "MiB",
            partial(rounds.peak, f"mvc {verb}", per=data.MIB),
        )
    shutil.rmtree(source.parent)


def _require_proof(bench: Bench, directory: Path, copy: Path) -> None:
    with (copy / _NAME).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    try:
        bench.programs.mvc.run("verify-deploy", copy, cwd=directory, settle=False)
    except Unmeasured:
        return
    raise Unmeasured("mvc verify-deploy did not find a changed byte")


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1GiB", quick="128MiB"))
