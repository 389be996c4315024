"""Files and directories that are there and cannot be read: another user's, or on a disk that fails.

One such entry stops nothing. It is named with the reason, and a version keeps what the last one has at or below
its path: who cannot look does not know that anything changed, and less so that anything is gone. As nobody
can save it either, no verb writes over it (planning.py). It is looked at again by every scan.

Not meant is what is short in this process (file descriptors, memory): that says nothing of the entry.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import MappingProxyType

from mvcd.lateclasses import NamedTuple

SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that are this process's own: the same call succeeds once something is freed."""

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO})
"""What opening a file answers that is gone, or is no regular file any more."""

EFFECTIVE_IDS = os.access in os.supports_effective_ids
"""Whether access(2) can be asked for the user that open(2) will see."""


class Unreadable(NamedTuple):
    """Why files and directories could not be read, by path."""

    reasons: Mapping[str, str] = MappingProxyType({})

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __or__(self, other: Mapping[str, str]) -> Unreadable:
        return Unreadable({**self.reasons, **other})

    def above(self, path: str) -> str | None:
        """What hides `path`: itself, or the directory above it that cannot be read."""
        while self.reasons and path:
            if path in self.reasons:
                return path
            path = path.rpartition("/")[0]
        return None


def reason(code: int) -> str:
    """What a person is told of an entry for which the system answered with error `code`."""
    return f"cannot be read: {os.strerror(code)}"


def remedy(path: str) -> str:
    """What helps where the entry's owner can help."""
    import shlex  # late: start-up

    return f"make it readable: chmod -R u+rX {shlex.quote(path)}  (as its owner)"


def closed(file: bytes) -> str | None:
    """Why a regular file cannot be opened; None if it can, or is none any more. Costs one system call."""
    if os.access(file, os.R_OK, effective_ids=EFFECTIVE_IDS):
        return None
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        code = error.errno or 0
        return None if code in GONE or code in SHORTAGE else reason(code)
    return None
