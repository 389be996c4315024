"""What calls leave. Uploads are closed after a time without progress, and freed by whoever has the
repositories; memory that nothing uses any more is the system's again within seconds."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from mvcd.errors import MvcError
from mvcd.heap import give_back
from mvcd.wire.host import Host
from mvcd.wire.uploads import Uploads

log = logging.getLogger(__name__)

TIDY_SECONDS = 30.0
"""Seconds between two looks for uploads that made no progress."""
RELIEF_SECONDS = 5.0
"""Seconds between two times that memory is given back. That, and getting it again, takes 30 ms for 30 MiB, so
more often would be felt; with 30 s a server's memory swung by 20 MiB between two times."""
TIDY_EACH_SECONDS = 3600.0
"""Seconds from one collection of a repository to the next: it walks all of it, 10 s for a million objects."""


class Tidying:
    """A thread from `start` to `end`; `stopping` ends it too. `ticks` tells how time passes."""

    def __init__(
        self,
        host: Host,
        uploads: Uploads,
        ticks: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        self._caretaker = host.caretaker
        self._uploads = uploads
        self._ticks = ticks
        self._stopping = stopping
        self._tidied: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="mvc-tidy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """After `stopping` was set."""
        if self._thread.is_alive():
            self._thread.join()

    def tidy(self) -> None:
        """Closes uploads that made no progress, and lets the host free what no ref reached."""
        self._uploads.expire()
        caretaker = self._caretaker
        if caretaker is None:
            return
        for repo in self._uploads.take_left() | caretaker.untidy():
            due = self._tidied.get(repo, -math.inf) + TIDY_EACH_SECONDS <= self._ticks()
            try:
                done = due and caretaker.tidy(repo, self._uploads.owners(repo))
            except MvcError as error:
                log.warning("%s could not be tidied: %s", repo, error)
                continue
            if done:
                self._tidied[repo] = self._ticks()
            else:
                self._uploads.leave(repo)

    def _run(self) -> None:
        waited = 0.0
        while not self._stopping.wait(RELIEF_SECONDS):
            give_back()
            waited += RELIEF_SECONDS
            if waited >= TIDY_SECONDS:
                self.tidy()
                waited = 0.0
