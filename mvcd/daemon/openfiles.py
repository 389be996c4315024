"""Whether some process still has a file open for writing: the lease probe.

`fcntl(fd, F_SETLEASE, F_RDLCK)` (fcntl(2)) is refused with EAGAIN while any process holds the file open for
writing, also through a writable mapping whose descriptor is closed already; that is what neither events nor
stamps show. It costs 5-8 us. The lease is given back at once: held, it would block the next writer's open()
for up to /proc/sys/fs/lease-break-time seconds.

Only the file's owner (or CAP_LEASE) may take a lease, and network file systems have none: there the answer is
"unknown", and quiet and equal stats must do. So they must outside Linux.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from enum import Enum

_SETLEASE = getattr(fcntl, "F_SETLEASE", None)


class Writer(Enum):
    NONE = "none"
    OPEN = "open"
    UNKNOWN = "unknown"
    GONE = "gone"  # no file is here any more


def probe(path: str) -> Writer:
    """Asks the kernel about the file at `path`; symbolic links and special files have no writers."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Writer.GONE
    except OSError as error:
        return Writer.NONE if error.errno == errno.ELOOP else Writer.UNKNOWN
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return Writer.NONE
        return _lease(fd)
    finally:
        os.close(fd)


def _lease(fd: int) -> Writer:
    if _SETLEASE is None:
        return Writer.UNKNOWN
    try:
        # A writer that opens while we hold the lease makes the kernel signal us: SIGIO, whose default is
        # death, unless another is named. SIGURG is ignored by default.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, _SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return Writer.OPEN if error.errno == errno.EAGAIN else Writer.UNKNOWN
    fcntl.fcntl(fd, _SETLEASE, fcntl.F_UNLCK)
    return Writer.NONE
