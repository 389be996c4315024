"""AddressSanitizer and UBSan over every C file: `python tests/sanitizers/run.py [SECONDS]`, for Linux with gcc.

Copies the sources to a scratch directory, builds the extension modules there with both sanitizers, runs the
tests that reach into C, and then mutates bodies, inputs and arguments for SECONDS (default 60). What either
sanitizer finds ends the run with its report and a status other than 0. Takes two minutes besides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKS = """
    -Wall -Wextra -Werror -g -O1 -fno-omit-frame-pointer
    -fsanitize=address,undefined -fno-sanitize-recover=all
"""
TESTS = """
    tests/kernels tests/codec tests/chunking tests/inspect/test_values.py
    tests/inspect/test_compare.py tests/inspect/test_blocks.py
    tests/repo/workspace/test_scan.py tests/repo/ondisk/test_statcache.py tests/repo/ondisk/test_writing.py
    tests/repo/intake/test_ingest.py tests/repo/intake/test_smallfiles.py tests/objects/test_small.py
    tests/objects/test_versionrecord.py
    tests/disk/test_io.py tests/store/test_pack.py tests/store/test_frames.py tests/store/test_damage.py
    tests/repo/test_frozen.py
"""
OPTIONS = "-q -x -p no:cacheprovider --hypothesis-profile ci --timeout 1800"
"""Hypothesis's own profile `ci` sets no deadline, which slow code on a busy machine would miss."""
SKIPPED = shutil.ignore_patterns(
    ".git", ".venv", "*.so", "__pycache__", "build", "*.egg-info", ".hypothesis"
)


def library(name: str) -> str:
    """Where gcc has a sanitizer's runtime."""
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


def build(place: Path) -> dict[str, str]:
    """Builds in `place`; answers the environment in which its modules can be imported."""
    shutil.copytree(ROOT, place, ignore=SKIPPED)
    include = sysconfig.get_path("include")
    settings = tomllib.loads((place / "pyproject.toml").read_text())
    modules = settings["tool"]["setuptools"]["ext-modules"]
    for module in modules:
        target = place / (module["name"].replace(".", "/") + ".abi3.so")
        words = [*module["extra-compile-args"], *CHECKS.split(), "-shared", "-fPIC", f"-I{include}"]
        subprocess.run(
            ["gcc", *words, "-o", str(target), *module["sources"]], cwd=place, check=True
        )
    return {
        **os.environ,
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter frees little as it ends
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # else objects lie in arenas, where a step too far hits another one
        "PYTHONPATH": os.pathsep.join([str(place), str(place / "client")]),
    }


def call(place: Path, environment: Mapping[str, str], *words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=place, env=environment, check=True)


def main(seconds: str = "60") -> None:
    with tempfile.TemporaryDirectory() as made:
        place = Path(made, "mvc")
        environment = build(place)
        call(place, environment, "tests/sanitizers/mutate.py", "prove")
        # what is freed stays in quarantine, so tests that measure memory would measure that
        words = [*OPTIONS.split(), "-k", "not memory", *TESTS.split()]
        call(place, environment, "-m", "pytest", *words)
        call(place, environment, "tests/sanitizers/mutate.py", seconds)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as failed:
        sys.exit(f"failed: {failed}")
