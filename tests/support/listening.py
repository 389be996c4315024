"""Servers that other people wrote, as processes of this machine that tell themselves where they listen."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def listening(command: Sequence[str], pattern: str, cwd: Path | None = None) -> Iterator[str]:
    """Runs a program until the block ends; yields what the one group of `pattern` finds in a line of its
    output. The rest of that is read away, so that it never waits for a full pipe."""
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    stream = process.stdout
    assert stream is not None
    reading = threading.Thread(target=lambda: [None for _ in stream])
    try:
        told = ""
        for line in stream:
            told += line
            if found := re.search(pattern, line):
                break
        else:
            raise AssertionError(told)
        reading.start()
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
        if reading.ident is not None:
            reading.join()
        stream.close()
