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

_START = """
import sys, threading
from moto import server

turn = threading.Lock()
dispatch = server.DomainDispatcherApplication.__call__

def one_at_a_time(self, environ, *arguments):
    if not environ.keys() & {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}:
        return dispatch(self, environ, *arguments)
    with turn:
        return dispatch(self, environ, *arguments)

server.DomainDispatcherApplication.__call__ = one_at_a_time
server.main(sys.argv[1:])
"""
"""moto looks at a condition and then writes, each request in a thread of its own: on a busy machine two of
eight writers won, and the probe refused it, as it should. So writes with a condition take turns."""


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
