"""`mvc follow` for one command alone: a process that keeps a directory equal to a ref, and ends with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mvc.api.errors import Failure
from mvc.cli.own_process import OwnProcess, own_process

SWITCH_SECONDS = 20.0
"""How long a switch may take; those of the demo take a few tenths of a second."""


class OwnFollower:
    """What a running `mvc follow --json` tells."""

    def __init__(self, process: OwnProcess) -> None:
        self._process = process

    def next(self) -> dict[str, Any]:
        """The next switch. Raises Failure when there is none in time, or the process ended."""
        try:
            line = self._process.line(SWITCH_SECONDS)
        except TimeoutError:
            raise Failure(
                f"mvc follow told of no switch for {SWITCH_SECONDS:g} s", kind="not-switched"
            ) from None
        if line is None:
            raise Failure("mvc follow ended", kind="not-switched", cause=self._process.last_said())
        document: dict[str, Any] = json.loads(line)
        if document["problem"]:
            raise Failure("mvc follow cannot go on", kind="not-switched", cause=document["problem"])
        return document

    def end(self) -> None:
        """Certain: it switches nothing after this returns."""
        self._process.end()


@contextmanager
def own_follower(repository: str, ref: str, directory: str) -> Iterator[OwnFollower]:
    """Keeps `directory` equal to what `ref` is at the origin of a clone, `repository`. Enter it with
    `signals.enter`."""
    words = ("-C", repository, "follow", "origin", ref, "--to", directory, "--json")
    with own_process("mvc", *words) as process:
        yield OwnFollower(process)
