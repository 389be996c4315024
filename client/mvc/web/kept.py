"""What was begun or counted for somebody in one repository, kept until others need the room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from mvc.web.remembered import Remembered
from mvc.web.walks import Walks

MAX_ENTRIES = 64
"""Repositories times people; each may hold eight walks and the names of all metrics."""


class KeptByAsker:
    """Walks and keys by a key that says repository and what may be seen of it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, tuple[Walks, Remembered]] = OrderedDict()

    def of(self, key: Hashable) -> tuple[Walks, Remembered]:
        with self._lock:
            found = self._found.setdefault(key, (Walks(), Remembered()))
            self._found.move_to_end(key)
            while len(self._found) > MAX_ENTRIES:
                self._found.popitem(last=False)
            return found
