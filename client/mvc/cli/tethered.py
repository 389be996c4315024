"""`python -m mvc.cli.tethered MODULE WORDS...` runs a module, and ends when whoever started it has ended.

Standard input is a pipe of which only the starter holds the other end, so it ends with the starter, also by
`kill -9`, when nobody is left to end this process. (PR_SET_PDEATHSIG, prctl(2), would be Linux's alone, and is
sent when the thread that forked ends.)
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress

END_SECONDS = 5.0
"""How long it has to end by itself, before it is killed."""


def _watch() -> None:
    with suppress(OSError):
        while os.read(0, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    threading.Thread(target=_watch, name="tether", daemon=True).start()
    module = sys.argv[1]
    del sys.argv[1]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
