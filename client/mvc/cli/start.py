"""Where the command begins: `mvc --version` is answered before anything is imported.

Scripts and editors ask for the version often, and click alone is half of what it costs to start.
"""

from __future__ import annotations

import sys

from mvc.api.errors import __version__


def main() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"mvc {__version__}")  # noqa: T201
        return
    from mvc.cli.main import main as run

    run()
