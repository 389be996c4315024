"""What is to be remembered of the files of a shard, gathered into few transactions: each takes some 10 ms,
and a folder has a thousand files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

from mvcd.hub.xetbuild import Examined
from mvcd.hub.xetshard import ShardFile
from mvcd.hub.xettable import Run, XetTable

BATCH_ROWS = 8192
"""Places and files that wait to be written: some 2 MB."""


class XetNotes:
    """Gathers for one shard, by one thread. `lock` is held while the table changes."""

    def __init__(self, table: XetTable, lock: threading.Lock) -> None:
        self._table = table
        self._lock = lock
        self._runs: dict[bytes, list[Run]] = {}
        self._files: list[Examined] = []
        self._waiting = 0

    def add(self, file: ShardFile, found: Examined) -> None:
        """Notes where the chunks of a file lie that is here now, and by which of them it is asked for."""
        places = iter(()) if found.placed else _places(file)
        while batch := list(islice(places, BATCH_ROWS)):
            for xorb, run in batch:
                self._runs.setdefault(xorb, []).append(run)
            self._wait(len(batch))
        if found.xorbs:
            self._files.append(found)
            self._wait(1 + len(found.xorbs) + len(found.asked))

    def write(self) -> None:
        """Writes what waits."""
        with self._lock:
            self._table.note(self._runs, self._files)
        self._runs, self._files, self._waiting = {}, [], 0

    def _wait(self, rows: int) -> None:
        self._waiting += rows
        if self._waiting >= BATCH_ROWS:
            self.write()


def _places(file: ShardFile) -> Iterator[tuple[bytes, Run]]:
    offset = 0
    for term in file.terms():
        yield term.xorb, Run(term.start, term.end, file.sha256, offset)
        offset += term.size
