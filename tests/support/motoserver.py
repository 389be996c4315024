"""moto's S3, a process of its own on this machine: quick, of the extra `tools`, and more permissive than any
real store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.listening import listening
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
    """Runs it until the block ends."""
    command = [sys.executable, "-u", "-c", _START, "-H", "127.0.0.1", "-p", "0"]
    with listening(command, r"Running on (http://[0-9.:]+)") as url:
        yield Endpoint(url)
