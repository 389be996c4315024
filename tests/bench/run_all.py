"""Runs the end-to-end benchmarks one after the other and writes one table of claims in Markdown.

Each script runs in a process of its own, so that one that breaks is reported and the others go on, and
so that none inherits another's memory. The options below are handed on to all of them; what they print
as JSON is kept beside the table when --keep names a folder.

Exit status: 0 no claim was missed; 1 a claim was missed or a script broke.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from report import Claim, claims_table

SCRIPTS = (
    "bench_start",
    "bench_stored",
    "bench_series",
    "bench_commit",
    "bench_checkout",
    "bench_small_files",
    "bench_daemon",
    "bench_tensor_diff",
    "bench_export",
    "bench_digests",
    "bench_fsspec",
    "bench_search",
    "bench_annotations",
    "bench_scale",
    "bench_remote",
    "bench_bucket",
    "bench_bucket_index",
    "bench_servers",
    "bench_line",
    "bench_clients",
    "bench_page",
    "bench_report",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, 2 rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--memory-as-is", action="store_true")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--mvc")
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--output", type=Path, help="write the Markdown here, not to stdout")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep each script's JSON here")
    options = parser.parse_args()

    passed_on = [
        f"--{name}"
        for name in ("quick", "memory-as-is")
        if getattr(options, name.replace("-", "_"))
    ]
    for name in ("rounds", "scratch", "mvc"):
        if getattr(options, name) is not None:
            passed_on.append(f"--{name}={getattr(options, name)}")
    passed_on += [f"--peers={folder}" for folder in options.peers]

    results = [_result(name, passed_on, keep=options.keep) for name in SCRIPTS]
    text = _markdown(results)
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text)
    claims = [claim for result in results for claim in result["claims"]]
    broken = any("error" in result for result in results)
    return 1 if broken or any(claim["ok"] is False for claim in claims) else 0


def _result(name: str, arguments: list[str], *, keep: Path | None) -> dict[str, Any]:
    """What one script printed as JSON; {"error", "claims"} when it broke."""
    print(f"== {name}", file=sys.stderr, flush=True)
    script = Path(__file__).with_name(f"{name}.py")
    argv = [sys.executable, str(script), "--json", *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        return {"benchmark": name, "error": f"exited with {done.returncode}", "claims": []}
    assert isinstance(result, dict)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{name}.json").write_text(done.stdout)
    return result


def _markdown(results: list[dict[str, Any]]) -> str:
    """The machine, the programs, and every claim."""
    whole = [result for result in results if "error" not in result]
    lines = ["# Benchmarks", ""]
    if whole:
        lines += [", ".join(f"{key} {value}" for key, value in whole[0]["machine"].items()), ""]
        lines += [f"- {name}: {version}" for name, version in whole[0]["programs"].items()]
        lines.append("")
    small = [result["benchmark"] for result in whole if result["size"] != result["full_size"]]
    if small:
        lines += [f"Smaller than the claims are about: {', '.join(small)}.", ""]
    lines += [f"- {bad['benchmark']} broke: {bad['error']}" for bad in results if "error" in bad]
    lines.append(claims_table([Claim(**claim) for result in whole for claim in result["claims"]]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
