"""`mvc follow` for one command alone: a process that keeps a directory equal to a ref, and ends with it."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from mvc.api.errors import Failure

SWITCH_SECONDS = 60.0
"""How long a switch may take; those of the demo take a few tenths of a second."""


class Follower:
    """What a running `mvc follow --json` tells."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._read = b""

    def next(self) -> dict[str, Any]:
        """The next switch. Raises Failure when there is none in time, or the process ended."""
        assert self._process.stdout is not None
        end = time.monotonic() + SWITCH_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._read:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise Failure("mvc follow told of no switch", kind="not-switched")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise Failure("mvc follow ended", kind="not-switched", cause=self._said())
                self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        if document["problem"]:
            raise Failure("mvc follow cannot go on", kind="not-switched", cause=document["problem"])
        return document

    def _said(self) -> str | None:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else None


@contextmanager
def own_follower(
    repository: str, ref: str, directory: str, *, once: bool = False
) -> Iterator[Follower]:
    """Keeps `directory` equal to what `ref` is at the origin of a clone, `repository`; or looks `once`."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvc", "-C", repository, "follow", "origin", ref,
             "--to", directory, "--json", *(["--once"] if once else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield Follower(process, errors)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
