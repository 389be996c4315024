"""A directory in memory, where what is made durable costs nothing: a shared disk may take 50 ms for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""For `tempfile`: None, its usual place, where the machine has no such directory."""


@contextmanager
def in_memory() -> Iterator[Path]:
    """A new directory, removed with all that is in it when the block ends."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        yield Path(directory)
