"""Where the command begins: `mvc --version` and `mvc prompt` are answered before anything else is imported.

Scripts, editors and prompts ask for these often, and click alone is half of what it costs to start.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

from mvc.api.errors import __version__


def main() -> None:
    from mvc.api.process import open_streams, speak_utf8  # late: start-up

    open_streams()
    if sys.argv[1:] in (["--version"], ["-V"]):
        try:
            print(f"mvc {__version__}", flush=True)  # noqa: T201
        except OSError as error:
            print(f"error: {error.strerror}".lower(), file=sys.stderr)  # noqa: T201
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), 1
            )  # else the interpreter complains as it ends
            sys.exit(1)
        return
    if sys.argv[1:] == ["prompt"]:
        from mvc.cli.prompting import place  # late: start-up

        speak_utf8()
        with contextlib.suppress(OSError):  # nobody reads it
            sys.stdout.write(place())
            sys.stdout.flush()
        os._exit(
            0
        )  # nothing is open, and an interpreter that ends properly takes as long as all of this
    speak_utf8()
    # The process is short and makes next to no cycles: looking for them every 700 objects is a tenth of the
    # time of a commit of 100,000 files.
    gc.set_threshold(100_000, 50, 100)
    if "_MVC_COMPLETE" not in os.environ:  # who completes a word allocates little, and waits for it
        from mvc.api.heap import keep_blocks  # late: start-up

        keep_blocks(heaps=max(2, os.cpu_count() or 2))
    from mvc.cli.main import main as run  # late: start-up

    try:
        run()
    finally:
        # Else the interpreter looks through all that was imported as it ends: 0.1 s, a third of `mvc status`.
        gc.freeze()
