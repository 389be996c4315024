"""moto's S3, a process of its own on this machine: quick, of the extra `tools`, and more permissive than any
real store."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.s3buckets import Endpoint

_START = "import sys; from moto.server import main; main(sys.argv[1:])"


@contextmanager
def running() -> Iterator[Endpoint]:
    """Runs it until the block ends. It tells its port itself."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", _START, "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        told = ""
        for line in process.stderr:
            told += line
            if found := re.search(r"Running on (http://[0-9.:]+)", line):
                break
        else:
            raise AssertionError(told)
        with _drained(process):
            yield Endpoint(found[1])
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


@contextmanager
def _drained(process: subprocess.Popen[str]) -> Iterator[None]:
    """Reads away what it writes about each request, so that it never waits for a full pipe."""
    assert process.stderr is not None
    stream = process.stderr
    thread = threading.Thread(target=lambda: [None for _ in stream])
    thread.start()
    try:
        yield
    finally:
        process.terminate()
        thread.join()
