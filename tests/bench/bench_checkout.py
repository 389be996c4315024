"""How fast a large file comes back, verified, and how much memory coming and going takes.

speed    `mvc checkout` of a version whose one BF16 safetensors file of --size is missing from the
         workspace, against `cp` of that file. Checkout checks every byte's digest and fsyncs; `cp`
         does neither, so `cp` + `sync` is shown beside it. `cp` reads from the page cache, checkout its
         packs from the disk: `read packs + write` does that and no more, both at once (readandwrite.py).
writes   what the system takes of that for writing: as many bytes of noise written in four ways (writes.py).
memory   the largest resident size of `mvc commit` and `mvc checkout` of one file of four times
         --size.

What came back is compared with what went in, outside of the clock.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import data
from measure import Cost, Unmeasured, interleave
from peers import Mvc, said
from report import Bench, main

_NAME = "model.safetensors"


def there_and_back(mvc: Mvc, workspace: Path, place: Callable[[Path], object]) -> dict[str, Cost]:
    """Commit what `place` puts into a workspace, go back to before it, and check it out again."""
    mvc.init(workspace)
    (workspace / "note.txt").write_text("before the model\n")
    mvc.add(workspace)
    empty = said(mvc.commit(workspace))["version"]
    place(workspace / _NAME)
    committed = mvc.commit(workspace)
    before = _digest(workspace / _NAME)
    mvc.checkout(workspace, empty)
    if (workspace / _NAME).exists():
        raise Unmeasured("mvc checkout of the version before left the model where it was")
    checked_out = mvc.checkout(workspace, said(committed)["version"])
    if _digest(workspace / _NAME) != before:
        raise Unmeasured("mvc checkout returned other bytes than were committed")
    return {"mvc commit": committed, "mvc checkout": checked_out}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def speed(bench: Bench) -> None:
    """Wall time against `cp`."""
    shell, mvc, python = bench.programs.shell, bench.programs.mvc, bench.programs.python
    program = Path(__file__).with_name("readandwrite.py")
    source = data.make("bf16", bench.scratch / "source" / _NAME, bench.size)

    def subject(directory: Path) -> Mapping[str, Cost]:
        costs = there_and_back(mvc, directory, lambda target: shutil.copyfile(source, target))
        packs = sorted((directory / ".mvc").rglob("*.pack"))
        arguments = (program, directory / "noise", str(bench.size), *packs)
        return costs | {"read packs + write": python.run(*arguments, cwd=directory)}

    def copy(directory: Path) -> Mapping[str, Cost]:
        return {
            "cp": shell.copy(source, directory / "plain"),
            "cp + sync": shell.copy_durably(source, directory / "durable"),
        }

    rounds = interleave({"mvc": subject, "cp": copy}, rounds=bench.rounds, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=source.stat().st_size)
    bench.at_least(
        "Verified checkout: speed against `cp`",
        0.8,
        "x",
        partial(rounds.ratio, "cp", "mvc checkout"),
    )
    bench.at_most(
        "Verified, durable checkout: wall time against `cp` + `sync`",
        0.7,
        "x",
        partial(rounds.ratio, "mvc checkout", "cp + sync"),
    )
    bench.at_most(
        "Verified, durable checkout: wall time against reading its packs and writing as much at once",
        1.15,
        "x",
        partial(rounds.ratio, "mvc checkout", "read packs + write"),
    )
    shutil.rmtree(source.parent)


def writes(bench: Bench) -> None:
    """CPU time of writing alone."""
    program, python = Path(__file__).with_name("writes.py"), bench.programs.python

    def way(how: str, directory: Path) -> Mapping[str, Cost]:
        arguments = (program, how, directory / "file", str(bench.size))
        return {f"write, {how}": python.run(*arguments, cwd=directory)}

    ways = {how: partial(way, how) for how in ("cached", "past", "short", "direct")}
    bench.keep_rounds(interleave(ways, rounds=bench.rounds, scratch=bench.scratch), raw=bench.size)


def memory(bench: Bench) -> None:
    """Peak resident memory for a file four times as large."""
    size = 4 * bench.size

    def subject(directory: Path) -> Mapping[str, Cost]:
        mvc = bench.programs.mvc
        return there_and_back(mvc, directory, lambda target: data.make("bf16", target, size))

    rounds = interleave({"mvc": subject}, rounds=1, scratch=bench.scratch)
    bench.keep_rounds(rounds, raw=size)
    for verb in ("commit", "checkout"):
        bench.at_most(
            f"Peak memory of `{verb}` of a file of {size / data.GIB:g} GiB",
            300,
            "MiB",
            partial(rounds.peak, f"mvc {verb}", per=data.MIB),
        )


def body(bench: Bench) -> None:
    speed(bench)
    writes(bench)
    memory(bench)


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="1GiB", quick="128MiB", unit=4))
