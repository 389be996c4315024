"""Rights taken away: tests may run as root, who reads everything."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READ_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, capabilities(7)
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of capget(2)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """An empty directory, and meanwhile no right to read but what the files' modes give.

    Of root, on Linux, the two capabilities that make him read everything are taken from this thread and from
    threads that it starts meanwhile; he owns the files he makes as anybody does. A program that is executed
    has them again. Nobody else has them to begin with.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        before = give_up()
        try:
            yield Path(made)
        finally:
            if before is not None:
                _make_effective(before)
            reopen(made)


def give_up() -> int | None:
    """Takes root's right to read everything from this thread; answers what it could do before."""
    if os.geteuid() != 0:
        return None
    before = int(_read()[0].effective)  # the lower 32 capabilities have what matters here
    _make_effective(before & ~_READ_ALL)
    return before


def reopen(top: str | Path) -> None:
    """Makes everything below a directory readable again."""
    os.chmod(top, 0o755)
    for directory, names, files in os.walk(top):  # top down: what was opened is entered
        for name in names + files:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if name in names else 0o644)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def _make_effective(capabilities: int) -> None:
    sets = _read()
    sets[0].effective = capabilities
    _call("capset", sets)


def _read() -> ctypes.Array[_Sets]:
    sets = (_Sets * 2)()
    _call("capget", sets)
    return sets


def _call(name: str, sets: ctypes.Array[_Sets]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(ctypes.byref(_Header(_VERSION, 0)), ctypes.byref(sets)):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
