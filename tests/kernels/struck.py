"""Strikes each system call of each C function, and of its Python edition, with an error; a program of
test_failing_calls.py, which starts it with the library faults.c.

Prints as JSON, for each situation: what Python answers when nothing fails, and by error what C and what Python
answer when the first call fails, the second, and so on.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from mvcd.disk import _io
from mvcd.repo.ondisk import _read, _scan, _write
from tests.support import kernels
from tests.support.kernels import Made

PARTLY = 0
ERRORS = [PARTLY] + [
    getattr(errno, name)
    for name in "EINTR EIO ENOSPC EMFILE EACCES ELOOP ENOENT ENOSYS EOPNOTSUPP".split()
]
HIGH_PRIORITY = (
    1  # RWF_HIPRI, a flag of preadv2(2) that every kernel takes and that changes no answer
)

faults = ctypes.CDLL(None)
faults.faults_seen.restype = ctypes.c_long
Call = Callable[[], object]


def arm(root: str, nth: int, error: int) -> None:
    faults.faults_arm(os.fsencode(root), b"", ctypes.c_long(nth), error, b"/dev/null")


def struck(root: str, call: Call, error: int) -> list[str]:
    """The outcome with the n-th call failing, for each n up to the last call."""
    found = []
    for nth in count(1):
        forget_made(root)
        arm(root, nth, error)
        got = kernels.outcome(call)
        seen = faults.faults_seen()
        arm(root, 0, 0)
        if seen < nth:
            return found
        found.append(repr((*got, made(root))))
    raise AssertionError


def made(root: str) -> dict[str, bytes]:
    """What a call has written."""
    return {p.name: p.read_bytes() for p in sorted(Path(root).glob("made-*"))}


def forget_made(root: str) -> None:
    for path in Path(root).glob("made-*"):
        path.unlink()


def writing(
    root: str, write_files: Callable[[list[tuple[bytes, int, bytes]]], list[Made]]
) -> object:
    """Makes three files. Times and inodes are those of each call, so sizes and modes are the answer."""
    place, source = os.fsencode(root) + b"/made-", random.Random(2)
    files = [(place + b"%d" % n, 0o600, source.randbytes(n)) for n in (0, 9000, 3)]
    return [(size, executable) for size, _, _, _, executable in write_files(files)]


def situations(root: str) -> dict[str, tuple[Call, Call]]:
    """What is called in C, and in Python."""
    source = random.Random(1)
    listed = os.fsencode(root) + b"/listed"
    os.makedirs(listed + b"/below")
    os.symlink(b"nowhere", listed + b"/link")
    for name, size in (("a", 20_000), ("b", 3), ("c", 0)):
        with open(os.path.join(root, name), "wb") as file:
            file.write(source.randbytes(size))
    place = os.fsencode(root)
    paths = [place + b"/" + name for name in (b"a", b"c", b"b")]
    fd = os.open(os.path.join(root, "a"), os.O_RDWR)
    apart = [(fd, 13_000, 1000), (fd, 0, 7000), (fd, 13_000, 9000)]
    together = [(fd, at, 4500) for at in range(0, 22_000, 5000)]
    return {
        "listed": (
            lambda: _scan.list_directory(listed, b"link\0absent\0"),
            lambda: kernels.list_directory(listed, b"link\0absent\0"),
        ),
        "all listed": (
            lambda: _scan.list_directory(listed),
            lambda: kernels.list_directory(listed),
        ),
        "many listed": (
            lambda: _scan.list_directories([listed, place, listed + b"/link"]),
            lambda: kernels.list_directories([listed, place, listed + b"/link"]),
        ),
        "read": (
            lambda: _read.read_files(paths, 1 << 20),
            lambda: kernels.read_files(paths, 1 << 20),
        ),
        "written": (
            lambda: writing(root, _write.write_files),
            lambda: writing(root, kernels.write_files),
        ),
        "stretches apart": (
            lambda: _io.read_stretches(apart, 0, 0),
            lambda: kernels.read_stretches(apart, 0, 0),
        ),
        "stretches together": (
            lambda: _io.read_stretches(together, 0, 0),
            lambda: kernels.read_stretches(together, 0, 0),
        ),
        "stretches with flags": (
            lambda: _io.read_stretches(together, HIGH_PRIORITY, 0),
            lambda: kernels.read_stretches(together, HIGH_PRIORITY, 0),
        ),
        "write-back": (
            lambda: _io.start_write_back(fd, 0, 100),
            lambda: kernels.start_write_back(fd, 0, 100),
        ),
    }


def main(root: str) -> None:
    found = {}
    for name, (ours, python) in situations(root).items():
        by_error = {e: (struck(root, ours, e), struck(root, python, e)) for e in ERRORS}
        forget_made(root)
        found[name] = repr((*kernels.outcome(python), made(root))), by_error
    print(json.dumps(found))


main(sys.argv[1])
