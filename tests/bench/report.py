"""What a benchmark script shares: its options, its scratch directory, its claims, its output.

A script is a function of a `Bench` and a call of `main`. It states claims ("at most 0.6 x"); a
claim whose figure cannot be taken is reported with the reason, and the rest goes on.

Exit status: 0 no claim was missed; 1 at least one was missed; 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

from measure import Cost, Rounds, Unmeasured
from peers import Programs, find

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # scripts that import `tests` are run from anywhere

_MEMORY_BESIDE = 256 << 20
"""Bytes made ready beside the size of what is copied: the largest working set of the programs."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Claim:
    """One sentence that a figure proves or refutes."""

    text: str
    target: str
    measured: str
    ok: bool | None
    """None: it could not be measured, `measured` says why."""


@dataclass(frozen=True)
class Figure:
    """What one subject took, run by run."""

    name: str
    costs: Sequence[Cost]
    raw: int | None
    """Bytes that each run read or wrote, where that has a meaning."""

    def as_json(self) -> dict[str, object]:
        """Without the output of the commands, which may be long."""
        runs = [asdict(replace(cost, output="")) for cost in self.costs]
        for run in runs:
            del run["output"]
        return {"name": self.name, "raw": self.raw, "runs": runs}

    def as_line(self) -> str:
        """A line of the table: median and range of wall time, median CPU time, largest peak."""
        walls = sorted(cost.wall for cost in self.costs)
        stored = [cost.stored for cost in self.costs if cost.stored is not None]
        share = f"{median(stored) / self.raw:.4f}" if stored and self.raw else "-"
        return (
            f"{self.name:32}{len(walls):5}{median(walls):9.3f}"
            f"{f'{walls[0]:.3f}-{walls[-1]:.3f}':>16}"
            f"{median(cost.cpu for cost in self.costs):9.3f}"
            f"{max(cost.peak for cost in self.costs) / (1 << 20):10.1f}{share:>12}"
        )


@dataclass
class Bench:
    """One run of one script."""

    name: str
    programs: Programs
    scratch: Path
    size: int
    """What `--size` gave: bytes, or files for the benchmark of many files."""
    rounds: int
    claims: list[Claim] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def at_most(self, text: str, limit: float, unit: str, figure: Callable[[], float]) -> None:
        """Claim that `figure()` is <= `limit`; a figure that raises Unmeasured leaves it open."""
        self._claim(text, f"<= {limit:g} {unit}", unit, figure, lambda value: value <= limit)

    def at_least(self, text: str, limit: float, unit: str, figure: Callable[[], float]) -> None:
        """Claim that `figure()` is >= `limit`; a figure that raises Unmeasured leaves it open."""
        self._claim(text, f">= {limit:g} {unit}", unit, figure, lambda value: value >= limit)

    def _claim(
        self,
        text: str,
        target: str,
        unit: str,
        figure: Callable[[], float],
        holds: Callable[[float], bool],
    ) -> None:
        try:
            value = figure()
        except Unmeasured as error:
            self.claims.append(Claim(text, target, str(error), None))
        else:
            self.claims.append(Claim(text, target, f"{value:.3g} {unit}", holds(value)))

    def keep_rounds(self, rounds: Rounds, *, raw: int | None = None) -> None:
        """Show what all subjects took, and note on stderr what could not be measured.

        `raw` is the bytes that each of them read or wrote, for the share that they store.
        """
        for name, costs in rounds.costs.items():
            self.figures.append(Figure(name, tuple(costs), raw))
        for name, reason in rounds.reasons.items():
            self.note(f"{name}: {reason}")

    def note(self, text: str) -> None:
        """Tell the person who waits."""
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)


def main(
    body: Callable[[Bench], None],
    about: str,
    *,
    size: str,
    quick: str,
    rounds: int = 5,
    unit: int = 1,
) -> int:
    """Read the options, run `body` in a scratch directory that is removed afterwards, print.

    `unit` is the bytes of memory made ready per unit of size: 1, those of one file where sizes count files, or
    more where several copies are written one after another.
    """
    options = _options(about, size=size, quick=quick, rounds=rounds)
    if options.scratch is not None:
        options.scratch.mkdir(parents=True, exist_ok=True)
    name = Path(sys.argv[0]).stem
    scratch = Path(tempfile.mkdtemp(prefix=f"mvc-{name}-", dir=options.scratch)).resolve()
    amount = parse_size(options.size or (quick if options.quick else size))
    memory = 0 if options.memory_as_is else amount * unit + _MEMORY_BESIDE
    try:
        bench = Bench(
            name=name,
            programs=find(scratch / "home", mvc=options.mvc, folders=options.peers, memory=memory),
            scratch=scratch,
            size=amount,
            rounds=options.rounds or (2 if options.quick else rounds),
        )
        kind = file_system(scratch)
        if kind == "tmpfs":
            bench.note("the scratch directory is in memory: durability costs nothing there")
        body(bench)
        about_machine = machine(kind) | {"memory_made_ready": memory}
        _print(bench, about_machine, as_json=options.json, full=parse_size(size))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if any(claim.ok is False for claim in bench.claims) else 0


def _options(about: str, *, size: str, quick: str, rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"size {quick}, 2 rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--size", help=f"such as 256MiB; default {size}")
    parser.add_argument("--rounds", type=int, help=f"default {rounds}")
    parser.add_argument(
        "--memory-as-is", action="store_true", help="do not touch memory before each run"
    )
    parser.add_argument("--scratch", type=Path, help="where to work; default the system's")
    parser.add_argument("--mvc", help="command line of mvc, if it is not the installed one")
    parser.add_argument(
        "--peers",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="look for peers' programs here first; may be repeated",
    )
    return parser.parse_args()


def parse_size(text: str) -> int:
    """ "256MiB", "1g", "100000" -> a number."""
    found = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if found is None:
        raise SystemExit(f"not a size: {text}")
    return int(found[1]) * _UNITS[found[2]]


def file_system(path: Path) -> str:
    """The kind of file system that `path` is on; "unknown" where Linux's /proc is missing."""
    best, kind = "", "unknown"
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return kind
    place = str(path.resolve()) + "/"
    for line in mounts.read_text().splitlines():
        point, its_kind = line.split()[1:3]
        if place.startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, its_kind
    return kind


def machine(kind: str) -> dict[str, object]:
    """What a reader must know to judge the figures."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        model = found[1].strip() if found else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "file_system": kind,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _print(bench: Bench, about_machine: dict[str, object], *, as_json: bool, full: int) -> None:
    if as_json:
        result = {
            "benchmark": bench.name,
            "size": bench.size,
            "full_size": full,
            "rounds": bench.rounds,
            "machine": about_machine,
            "programs": bench.programs.versions(),
            "claims": [asdict(claim) for claim in bench.claims],
            "figures": [figure.as_json() for figure in bench.figures],
        }
        print(json.dumps(result, indent=2))
        return
    print(", ".join(f"{key} {value}" for key, value in about_machine.items()))
    for name, version in bench.programs.versions().items():
        print(f"  {name}: {version}")
    print()
    print(f"{'':32} runs   wall s           range    cpu s  peak MiB  stored/raw")
    for figure in bench.figures:
        print(figure.as_line())
    print()
    if bench.size != full:
        print(f"size {bench.size}: the claims are about size {full}")
    print(claims_table(bench.claims))


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims as a table in Markdown."""
    words = {True: "yes", False: "**no**", None: "-"}
    lines = ["| claim | target | measured | ok |", "|---|---|---|---|"]
    for claim in claims:
        measured = claim.measured.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {claim.text} | {claim.target} | {measured} | {words[claim.ok]} |")
    return "\n".join(lines)
