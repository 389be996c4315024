"""Notebooks: `%load_ext mvc`, then `%mvc status`, `%mvc diff v3 v4`, `%mvc plot loss`.

`%mvc` runs the command line as it stands, below the notebook's directory; a metric that is drawn stands in the
notebook as a picture. Results of the Python interface (`repo.log()`, `repo.diff()`) show themselves as tables.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence

try:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import Image, display
except ImportError as error:
    raise ImportError("%mvc needs IPython: pip install 'mvcd[jupyter]'") from error

_WIDTH_COLUMNS = "100"


def register(shell: InteractiveShell) -> None:
    """Adds `%mvc` to a shell; `%load_ext mvc` calls it."""
    shell.register_magic_function(run, "line", "mvc")


def run(line: str) -> None:
    """Runs `mvc` with the words of a line, and shows what it prints.

    Raises SystemExit with the exit code of a command that failed, once its error was shown: the cell fails.
    """
    words = shlex.split(line)
    if words[:1] == ["plot"] and not {"-o", "--output", "-h", "--help"} & {w[:8] for w in words}:
        _draw(words)
    else:
        _print(words)


def _draw(words: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        picture = os.path.join(directory, "plot.png")
        _print([*words, "--output", picture, "--quiet"])
        display(Image(filename=picture))


def _print(words: Sequence[str]) -> None:
    """The output comes through this process's streams, which are the notebook's; a command's own are not."""
    environment = {**os.environ, "COLUMNS": _WIDTH_COLUMNS, "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mvc", *words],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False,
    )  # fmt: skip
    sys.stdout.write(done.stdout.decode("utf-8", "replace"))
    sys.stderr.write(done.stderr.decode("utf-8", "replace"))
    if done.returncode:
        raise SystemExit(done.returncode)
