"""Commands in processes of their own whose system calls are written down, or fail (faults.c).

One process is started with the library in it and imports everything; each command is a fork of it, since
starting an interpreter would cost ten times more.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

KILL = -1
"""As an error: the process dies before the call."""

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


@functools.cache
def library() -> str:
    """The compiled faults.c, made once a process by the system's C compiler."""
    directory = tempfile.mkdtemp(prefix="faults-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    target = os.path.join(directory, "faults.so")
    compiler = os.environ.get("CC", "cc").split()
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    subprocess.run([*compiler, *options, "-o", target, str(_HERE / "faults.c")], check=True)
    return target


def environment(places: Path) -> dict[str, str]:
    """Of a process with the library in it, whose own places are below `places`."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("MVC_", "FAULTS_"))},
        "LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {library()}".strip(),  # after a sanitizer
        "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "client")]),
        "HOME": str(places),
        "MVC_RUNTIME_DIR": str(places / "run"),
        "MVC_STATE_DIR": str(places / "state"),
        "MVC_CONFIG": "",
        "MVC_AUTHOR": "Ada Lovelace <ada@example.org>",
        "NO_COLOR": "1",
    }


@dataclass(frozen=True)
class Ended:
    """How a command ended. `seen`: system calls that could have failed as asked; `failed`: the one that did."""

    code: int
    out: str
    err: str
    seen: int
    failed: str


class Host:
    """The process that the commands are forks of. Use it in `with`."""

    def __init__(self, places: Path) -> None:
        self._places = places
        places.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "faults_host.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(places),
            text=True,
        )

    def run(
        self,
        words: Sequence[str],
        directory: Path,
        *,
        root: Path,
        log: Path | None = None,
        nth: int = 0,
        error: int = 0,
    ) -> Ended:
        """`mvc WORDS...` in a directory, everything below `root` watched; the n-th call fails with `error`."""
        out, err, told = (self._places / name for name in ("out", "err", "told"))
        told.unlink(missing_ok=True)
        job = {
            "words": list(words),
            "directory": str(directory),
            "root": str(root),
            "log": "" if log is None else str(log),
            "nth": nth,
            "error": error,
            "out": str(out),
            "err": str(err),
            "told": str(told),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code, seen = json.loads(self._process.stdout.readline())
        failed = told.read_text().strip() if told.exists() else ""
        return Ended(code, out.read_text(), err.read_text(), seen, failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()
