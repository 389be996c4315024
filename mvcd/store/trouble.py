"""What the system refuses, told apart from damage: memory, descriptors, permission, room.

py-lmdb wraps the errors of system calls in its own class, with the error number as `code`; LMDB's own codes are
negative. Only the latter, and what the system says of no file in particular, speak of the bytes.
"""

from __future__ import annotations

import errno
import os
import shlex

from mvcd.errors import Failure, IntegrityError, MvcError, NotPermitted

_KINDS: dict[int, tuple[str, str, str | None]] = {
    errno.ENOMEM: (
        "out-of-memory",
        "out of memory",
        "end other programs, or raise the limit: ulimit -v",
    ),
    errno.EMFILE: ("too-many-files", "too many open files", "raise the limit: ulimit -n 4096"),
    errno.ENFILE: ("too-many-files", "too many open files on this machine", None),
    errno.EACCES: ("permission", "permission denied", "ls -ld {path}  (shows whose it is)"),
    errno.EPERM: ("permission", "permission denied", "ls -ld {path}  (shows whose it is)"),
    errno.EROFS: ("read-only", "the file system is read-only", None),
    errno.ENOSPC: (
        "disk-full",
        "the disk is full",
        "free some disk space, then run the command again",
    ),
    errno.EDQUOT: (
        "disk-full",
        "the quota is used up",
        "free some disk space, then run the command again",
    ),
    errno.EFBIG: (
        "disk-full",
        "the file may not grow",
        "raise the limit: ulimit -f, or free some disk space",
    ),
    errno.EIO: (
        "input-output",
        "the disk does not answer as it should",
        "look at the disk, then: mvc verify",
    ),
}


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def errno_of(error: BaseException) -> int:
    """The errno, where the system refused something, an fsync too; 0 where LMDB itself found something wrong
    (its own codes are negative). Old versions of py-lmdb tell it by the text alone."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    code = getattr(cause, "errno", None) or getattr(error, "code", None)
    if code is None:
        known = (*_KINDS, errno.EINTR)
        code = next((n for n in known if str(error).endswith(os.strerror(n))), 0)
    return max(int(code), 0)


def refusal(error: BaseException, path: str) -> MvcError | None:
    """The Failure or NotPermitted that a system's refusal is; None for what speaks of damage, or of nothing
    known."""
    number = errno_of(error)
    if number not in _KINDS:
        return None
    kind, message, help = _KINDS[number]
    made = NotPermitted if kind in ("permission", "read-only") else Failure
    return made(
        f"{path}: {message}",
        kind=kind,
        cause=os.strerror(number).lower(),
        help=None if help is None else help.format(path=shlex.quote(path)),
    )


def identity(path: str) -> tuple[int, int]:
    """Returns the identity of the data file, (0, 0) if there is none: another file at the same path is another
    store."""
    status = _status(path)
    return (0, 0) if status is None else (status.st_dev, status.st_ino)


def file_size(path: str) -> int:
    """Returns the size of the data file of the store at `path`; 0 if there is none."""
    status = _status(path)
    return 0 if status is None else status.st_size


def _status(path: str) -> os.stat_result | None:
    """Of the data file; None when there is none. Raises what `refusal` answers when that is not to be told."""
    name = os.path.join(path, "data.mdb")
    try:
        return os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refusal(error, name) or damaged(str(error)) from error


def trouble(error: Exception, path: str) -> MvcError:
    """What an error of LMDB's in the index of the store at `path` is: a refusal, or else damage."""
    return refusal(error, os.path.join(path, "data.mdb")) or damaged(str(error))


def damaged(cause: str) -> IntegrityError:
    """The index is not what was written."""
    return IntegrityError(
        "the store's index is damaged", kind="index-damaged", cause=cause, help="mvc repair"
    )
