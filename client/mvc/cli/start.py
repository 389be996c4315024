"""Where the command begins: `mvc --version` is answered before anything is imported.

Scripts and editors ask for the version often, and click alone is half of what it costs to start.
"""

from __future__ import annotations

import gc
import os
import sys

from mvc.api.errors import __version__


def main() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"mvc {__version__}")  # noqa: T201
        return
    # The process is short and makes next to no cycles: looking for them every 700 objects is a tenth of the
    # time of a commit of 100,000 files.
    gc.set_threshold(100_000, 50, 100)
    from mvc.api.heap import keep_blocks
    from mvc.cli.main import main as run

    keep_blocks(heaps=max(2, os.cpu_count() or 2))

    try:
        run()
    finally:
        # Else the interpreter looks through all that was imported as it ends: 0.1 s, a third of `mvc status`.
        gc.freeze()
