"""What an error of LMDB means: damage, or something that the system did not let us do.

LMDB has no code for that difference but the sign: its own codes are negative, those of the system are errnos.
"""

from __future__ import annotations

import errno
import os

from mvcd.errors import Failure, IntegrityError, MvcError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def refusal(error: Exception) -> int:
    """The errno, where the system refused something, an fsync too; 0 where LMDB itself found something wrong
    (its own codes are negative). Old versions of py-lmdb tell it by the text alone."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    code = getattr(cause, "errno", None) or getattr(error, "code", None)
    if code is None:
        known = (*DISK_FULL, errno.EIO, errno.EINTR)
        code = next((n for n in known if str(error).endswith(os.strerror(n))), 0)
    return max(int(code), 0)


def unusable(error: Exception) -> MvcError:
    """What was meant to be read is damaged, unless it was the system that did not let us."""
    if not refusal(error):
        return damaged(str(error))
    full = refusal(error) in DISK_FULL
    return Failure(
        "the store's index cannot be used",
        kind="disk-full" if full else "index-unusable",
        cause=str(error),
        help="free some disk space, then run the command again" if full else "mvc doctor",
    )


def damaged(cause: str) -> IntegrityError:
    return IntegrityError(
        "the store's index is damaged", kind="index-damaged", cause=cause, help="mvc doctor"
    )
