"""What the system refuses, as people and programs see it: memory, descriptors, permission, room.

One table gives each refusal its kind, its words and the command that helps. `EFBIG`, the limit of a file's size
(ulimit -f), counts as a full disk: what is to be written does not fit.
"""

from __future__ import annotations

import errno
import os

from mvcd.errors import Failure, MvcError, NotPermitted
from mvcd.lateclasses import NamedTuple

ROOM = "free some disk space, then run the command again"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Refusal(NamedTuple):
    """What one error number means; in `help`, `{path}` stands for the file that it is about."""

    kind: str
    message: str
    help: str | None = None


REFUSALS: dict[int, Refusal] = {
    errno.ENOMEM: Refusal(
        "out-of-memory", "out of memory", "end other programs, or raise the limit: ulimit -v"
    ),
    errno.EMFILE: Refusal(
        "too-many-files", "too many open files", "raise the limit: ulimit -n 4096"
    ),
    errno.ENFILE: Refusal("too-many-files", "too many open files on this machine"),
    errno.EACCES: Refusal("permission", "permission denied", "ls -ld {path}  (shows whose it is)"),
    errno.EPERM: Refusal("permission", "permission denied", "ls -ld {path}  (shows whose it is)"),
    errno.EROFS: Refusal("read-only", "the file system is read-only"),
    errno.ENOSPC: Refusal("disk-full", "the disk is full", ROOM),
    errno.EDQUOT: Refusal("disk-full", "the quota is used up", ROOM),
    errno.EFBIG: Refusal(
        "disk-full", "the file may not grow", "raise the limit: ulimit -f, or free some disk space"
    ),
    errno.EIO: Refusal(
        "input-output",
        "the disk does not answer as it should",
        "look at the disk, then: mvc verify",
    ),
}


def is_disk_full(error: OSError) -> bool:
    """Whether what was to be written does not fit."""
    return error.errno in DISK_FULL


def refused(number: int, path: str) -> MvcError | None:
    """The Failure or NotPermitted that the error `number` is, about the file at `path`; None if it is not in
    the table."""
    found = REFUSALS.get(number)
    if found is None:
        return None
    import shlex  # late: start-up

    made = NotPermitted if found.kind in ("permission", "read-only") else Failure
    return made(
        f"{path}: {found.message}",
        kind=found.kind,
        cause=os.strerror(number).lower(),
        help=None if found.help is None else found.help.format(path=shlex.quote(path)),
    )


def unwritten(
    error: Exception,
    message: str,
    *,
    full: bool,
    when_full: str | None = None,
    kind: str = "write-failed",
    cause: str | None = None,
    room: str = ROOM,
    help: str | None = None,
) -> Failure:
    """The Failure for bytes that could not be written: of `kind` with `help`; or, where the disk is `full`, of
    the kind disk-full with the advice `room`, and with the message `when_full` if there is one."""
    return Failure(
        (when_full or message) if full else message,
        kind="disk-full" if full else kind,
        cause=str(error) if cause is None else cause,
        help=room if full else help,
    )
