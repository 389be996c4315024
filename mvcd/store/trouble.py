"""An error of the index: a refusal of the system (disk/refusals.py), told apart from damage.

py-lmdb wraps the errors of system calls in its own class, with the error number as `code`; LMDB's own codes are
negative. Only the latter, and what the system says of no file in particular, speak of the bytes.
"""

from __future__ import annotations

import errno
import os

from mvcd.disk.refusals import REFUSALS, refused
from mvcd.errors import IntegrityError, MvcError


def errno_of(error: BaseException) -> int:
    """The errno, where the system refused something, an fsync too; 0 where LMDB itself found something wrong
    (its own codes are negative). Old versions of py-lmdb tell it by the text alone."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    code = getattr(cause, "errno", None) or getattr(error, "code", None)
    if code is None:
        known = (*REFUSALS, errno.EINTR)
        code = next((n for n in known if str(error).endswith(os.strerror(n))), 0)
    return max(int(code), 0)


def refusal(error: BaseException, path: str) -> MvcError | None:
    """The Failure or NotPermitted that a system's refusal is; None for what speaks of damage, or of nothing
    known."""
    return refused(errno_of(error), path)


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
