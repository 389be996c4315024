"""Keeping a file as it is now, whatever its owner does to it next: reflink, hard link or copy.

    reflink   a file of its own that shares the bytes (FICLONE, ioctl_ficlonerange(2)): nothing done to the
              original reaches it. XFS, Btrfs, bcachefs and others.
    link      a second name (link(2)): deleting and replacing the original do not reach it, rewriting it in
              place does, and its stats tell.
    copy      where that is cheap: small files, and files whose owner is known to rewrite them in place.
    none      nothing of that is to be had (another file system, no links): the file is read where it lies.

The cost is two to six system calls a file, 20 us of a link on ext4, whatever the size.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from enum import Enum

from mvcd.disk.refusals import is_disk_full
from mvcd.repo.ondisk.statcache import FileStat

SMALL_BYTES = 1 << 20
"""Bytes up to which a file is copied rather than linked: 0.3 ms, and then not even rewriting it in place
matters, which is how `json.dump` into an open file replaces metrics and states."""

REWRITTEN_BYTES = 1 << 30
"""The same for files that were seen to be rewritten in place: a link would be torn by the next save."""

_FICLONE = 0x40049409
_STEP_BYTES = 1 << 20
_ANOTHER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EACCES, errno.ENXIO}
"""What answers for a file that is gone, is no file any more, or may not be read any more."""

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class Kept(Enum):
    """How the bytes of a file are held."""

    REFLINK = "reflink"
    LINK = "link"
    COPY = "copy"
    NONE = "none"


class Changed(Exception):
    """The file is not as it was when it was looked at."""


class FileKeeper:
    """Keeps files; remembers on which devices reflinks are not to be had. For one thread at a time."""

    def __init__(self) -> None:
        self._plain: set[int] = set()

    def keep(
        self, source: str, target: str, wanted: FileStat, *, rewritten: bool = False
    ) -> tuple[Kept, FileStat]:
        """Makes `target`, which must not exist, hold what `source` holds now.

        Answers how, and the stats of the source afterwards: a new link is a change of its inode. `rewritten`:
        its owner rewrites it in place. Raises Changed when the source is not as `wanted`, or is gone; then
        there is no target.
        """
        try:
            return self._keep(source, target, wanted, rewritten)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise

    def _keep(
        self, source: str, target: str, wanted: FileStat, rewritten: bool
    ) -> tuple[Kept, FileStat]:
        try:
            if wanted.is_symlink:
                os.symlink(os.readlink(source), target)
                return Kept.COPY, _still(source, wanted)
            with _opened(source) as fd:
                return self._keep_file(fd, source, target, wanted, rewritten)
        except OSError as error:
            if error.errno in _ANOTHER:
                raise Changed(source) from None
            raise

    def _keep_file(
        self, fd: int, source: str, target: str, wanted: FileStat, rewritten: bool
    ) -> tuple[Kept, FileStat]:
        found = os.fstat(fd)
        if FileStat.of(found) != wanted or not stat.S_ISREG(found.st_mode):
            raise Changed(source)
        if found.st_dev not in self._plain:
            if _reflink(fd, target, found.st_mode):
                return Kept.REFLINK, _still(source, wanted)
            self._plain.add(found.st_dev)
        if found.st_size <= (REWRITTEN_BYTES if rewritten else SMALL_BYTES) and _copy(
            fd, target, found
        ):
            return Kept.COPY, _still(source, wanted)
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_LINK:
                return Kept.NONE, wanted
            raise
        now = FileStat.of(os.lstat(target))
        if not alike(now, wanted):
            raise Changed(source)
        return Kept.LINK, now


def alike(a: FileStat, b: FileStat) -> bool:
    """Equal but for the change time, which making and removing a link moves."""
    return a._replace(ctime_ns=0) == b._replace(ctime_ns=0)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _still(source: str, wanted: FileStat) -> FileStat:
    """After a copy: the source must be as it was before it."""
    if FileStat.of(os.lstat(source)) != wanted:
        raise Changed(source)
    return wanted


def _create(target: str, mode: int) -> int:
    """With the executable bits of the source, which belong to its state; for nobody else to read."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(target, flags, 0o600 | (mode & 0o100))


def _reflink(fd: int, target: str, mode: int) -> bool:
    out = _create(target, mode)
    try:
        fcntl.ioctl(out, _FICLONE, fd)
    except OSError:
        os.unlink(target)
        return False
    finally:
        os.close(out)
    return True


def _copy(fd: int, target: str, found: os.stat_result) -> bool:
    """Whether there was room for it. Holes of sparse files are filled: such files are large, and linked."""
    out = _create(target, found.st_mode)
    try:
        done = 0
        while done < found.st_size:
            data = os.pread(fd, min(_STEP_BYTES, found.st_size - done), done)
            if not data:
                raise Changed(target)  # shorter than its stat said
            done += os.write(out, data)
    except OSError as error:
        os.unlink(target)
        if is_disk_full(error):
            return False
        raise
    finally:
        os.close(out)
    return True
