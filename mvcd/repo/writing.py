"""Files that do not exist yet, made and filled by offset."""

from __future__ import annotations

import os

from mvcd.objects.entry import Mode

TINY = 64 << 10
"""Bytes of a file; such are made many in one call (_write.pyi)."""
LONG = 900
"""Characters of a path; a longer one, a directory deeper, could be too long for the system."""


def permissions(mode: Mode) -> int:
    """Of a new file, before the umask takes its part."""
    return 0o777 if mode is Mode.EXECUTABLE else 0o666


def create(path: str, mode: Mode) -> int:
    """A descriptor of a new file. Raises OSError, also where something is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(path, flags, permissions(mode))


def write_all(file: int, data: bytes, offset: int) -> None:
    """Raises OSError."""
    done = 0
    while done < len(data):
        done += os.pwrite(file, memoryview(data)[done:], offset + done)
